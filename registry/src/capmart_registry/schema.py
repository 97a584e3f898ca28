"""The database's schema: made and moved by migrations only, checked at every start."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from capmart_core.errors import SchemaMismatch
from capmart_registry.db import Database

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(db: Database) -> None:
    """Bring the database to this program's schema; one that has it already is left alone."""
    config = _config()
    with db.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def check(db: Database) -> None:
    """Refuse a database of another schema.

    Raises:
        SchemaMismatch: it is older or newer than this program.
    """
    scripts = ScriptDirectory.from_config(_config())
    wanted = scripts.get_current_head()
    with db.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found == wanted:
        return
    known = {script.revision for script in scripts.walk_revisions()}
    raise SchemaMismatch(found=found or "none", wanted=wanted, age="older" if found in known | {None} else "newer")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
