"""The database's schema: made and moved by migrations only, checked at every start."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text

from capmart_core.errors import SchemaMismatch
from capmart_registry.db import Database

MIGRATIONS = Path(__file__).parent / "migrations"
_TABLE = "alembic_version"


def migrate(db: Database) -> None:
    """Bring the database to this program's schema; one that has it already is left alone."""
    from alembic import command  # noqa: PLC0415 - takes as long as all the rest of a short command
    from alembic.config import Config  # noqa: PLC0415 - same

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with db.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def revisions() -> list[str]:
    """Every schema there was, oldest first; a migration's file is called after its revision."""
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def check(db: Database) -> None:
    """Refuse a database of another schema.

    Raises:
        SchemaMismatch: it is older or newer than this program.
    """
    known = revisions()
    with db.engine.connect() as connection:
        empty = not inspect(connection).has_table(_TABLE)
        found = None if empty else connection.scalar(text(f"SELECT version_num FROM {_TABLE}"))  # noqa: S608 - a constant
    if found != known[-1]:
        age = "older" if found is None or found in known else "newer"
        raise SchemaMismatch(found=found or "none", wanted=known[-1], age=age)
