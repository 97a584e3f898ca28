from __future__ import annotations

from alembic.config import Config
from alembic.script import ScriptDirectory

from capmart_registry import schema


def test_given_the_migrations_when_listed_by_file_name_then_they_are_those_that_alembic_knows() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert schema.revisions() == [script.revision for script in reversed(list(scripts.walk_revisions()))]
    assert schema.revisions()[-1] == scripts.get_current_head()
