"""The schema: made, moved and refused, on both kinds of database."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from capmart_core.errors import SchemaMismatch, SettingsInvalid, Unavailable
from capmart_registry import schema
from capmart_registry.db import Database
from capmart_registry.tables import METADATA
from tests.support.postgres import database_of
from tests.support.processes import free_port

MIGRATE = "import sys; from capmart_registry import schema; from capmart_registry.db import Database;"
BROKEN = '''
"""cut short

Revision: {after}
After: {before}
"""
from alembic import op
import sqlalchemy as sa
revision, down_revision, branch_labels, depends_on = "{after}", "{before}", None, None

def upgrade():
    op.add_column("organisation", sa.Column("halfway", sa.Integer()))
    print("half way", flush=True)
    {end}
'''


@pytest.fixture
def address(tmp_path: Path) -> str:
    """An empty database."""
    return database_of(tmp_path) or f"sqlite:///{tmp_path / 'center.db'}"


@pytest.fixture
def db(address: str) -> Database:
    return Database(address)


def tables(db: Database) -> set[str]:
    return set(inspect(db.engine).get_table_names())


@pytest.mark.parametrize("released", schema.revisions())
def test_given_a_released_schema_when_migrated_then_it_is_the_one_that_the_models_say(
    db: Database, released: str
) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    with db.writer.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, released)
        connection.execute(
            text("INSERT INTO organisation (name, title_zh, title_en, created) VALUES (:n, :n, :n, '2026-01-01')"),
            {"n": "acme"},
        )
    schema.migrate(db)
    schema.check(db)
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert connection.scalar(text("SELECT count(*) FROM organisation")) == 1
    db.dispose()


def test_given_an_empty_database_when_checked_then_what_to_do_is_said(db: Database) -> None:
    with pytest.raises(SchemaMismatch) as refused:
        schema.check(db)
    assert "capmart center migrate" in refused.value.advice("en")
    assert tables(db) == set()
    db.dispose()


def test_c15_given_a_database_of_a_newer_program_then_it_is_refused_and_left_alone(db: Database) -> None:
    schema.migrate(db)
    with db.writer.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("CREATE TABLE of_the_future (id INTEGER)"))
    before = tables(db)
    for attempt in (schema.check, schema.migrate):
        with pytest.raises(SchemaMismatch) as refused:
            attempt(db)
        assert refused.value.data["age"] == "newer"
    assert tables(db) == before
    db.dispose()


@pytest.mark.parametrize("end", ["import time; time.sleep(60)", "raise OSError"], ids=["killed", "failed"])
def test_c15_given_a_migration_that_ends_half_way_then_nothing_of_it_stays_and_it_is_done_again(
    db: Database, address: str, tmp_path: Path, end: str
) -> None:
    schema.migrate(db)
    newest = schema.revisions()[-1]
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    for path in (*schema.MIGRATIONS.glob("*.*"), *schema.MIGRATIONS.glob("versions/*.py")):
        (folder / path.relative_to(schema.MIGRATIONS)).write_bytes(path.read_bytes())
    next_one = folder / "versions" / "9000_cut_short.py"
    next_one.write_text(BROKEN.format(before=newest, after="9000", end=end), "utf-8")
    code = f"{MIGRATE} from pathlib import Path; schema.MIGRATIONS = Path(sys.argv[2]);"
    code += "schema.migrate(Database(sys.argv[1]))"

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", code, address, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    with start() as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half way\n"
        process.kill()
    schema.check(db)  # still the schema of before
    assert "halfway" not in {one["name"] for one in inspect(db.engine).get_columns("organisation")}
    next_one.write_text(BROKEN.format(before=newest, after="9000", end="pass"), "utf-8")
    with start() as process:
        process.communicate()
    assert process.returncode == 0
    assert "halfway" in {one["name"] for one in inspect(db.engine).get_columns("organisation")}
    db.dispose()


def test_given_processes_that_migrate_at_once_then_all_end_well(db: Database, address: str) -> None:
    code = f"{MIGRATE} schema.migrate(Database(sys.argv[1]))"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, address], stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    schema.check(db)
    db.dispose()


def test_given_a_database_that_does_not_answer_then_it_is_said_at_once() -> None:
    db = Database(f"postgresql://app:secret@127.0.0.1:{free_port()}/center")
    started = time.monotonic()
    with pytest.raises(Unavailable) as refused:
        schema.check(db)
    assert "secret" not in str(refused.value)
    assert time.monotonic() - started < 30
    db.dispose()


@pytest.mark.parametrize("url", ["", "center.db", "mysql://x/y", "oracle+what://x"])
def test_given_an_address_of_something_else_then_the_setting_is_named(url: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        Database(url)
    assert refused.value.data["name"] == "database_url"
