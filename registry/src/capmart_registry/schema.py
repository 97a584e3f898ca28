"""The database's schema: made and moved by migrations only, checked at every start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError

from capmart_core.errors import SchemaMismatch, Unavailable
from capmart_registry.db import Database

MIGRATIONS = Path(__file__).parent / "migrations"
_TABLE = "alembic_version"


def migrate(db: Database) -> None:
    """Bring the database to this program's schema; one that has it already is left alone.

    All in one write transaction: of an interrupted migration nothing stays, and of two at once one does it.

    Raises:
        SchemaMismatch: it is newer than this program.
        Unavailable: the database does not answer.
    """
    from alembic import command  # noqa: PLC0415 - takes as long as all the rest of a short command
    from alembic.config import Config  # noqa: PLC0415 - same

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with _connected(db.writer) as connection:
        _found(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def revisions() -> list[str]:
    """Every schema there was, oldest first; a migration's file is called after its revision."""
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def check(db: Database) -> None:
    """Refuse a database of another schema.

    Raises:
        SchemaMismatch: it is older or newer than this program.
        Unavailable: the database does not answer.
    """
    with _connected(db.engine) as connection:
        found, wanted = _found(connection), revisions()[-1]
    if found != wanted:
        raise SchemaMismatch(found=found or "none", wanted=wanted, age="older", age_zh="较旧")


def _found(connection: Connection) -> str | None:
    """The database's schema; None for an empty database."""
    if not inspect(connection).has_table(_TABLE):
        return None
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {_TABLE}"))  # noqa: S608 - a constant
    known = revisions()
    if found is not None and found not in known:
        raise SchemaMismatch(found=found, wanted=known[-1], age="newer", age_zh="较新")
    return found


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise Unavailable(reason=f"the database does not answer: {str(error.orig).splitlines()[0]}") from error
