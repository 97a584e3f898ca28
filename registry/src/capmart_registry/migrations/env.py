"""Alembic's entry: runs over the connection that :mod:`capmart_registry.schema` or a developer's command gives."""

from __future__ import annotations

import os
from typing import Literal

from alembic import context
from sqlalchemy import Connection
from sqlmodel.sql.sqltypes import AutoString

from capmart_registry.db import Database, UtcDateTime
from capmart_registry.tables import METADATA


def _plain(kind: str, value: object, _context: object) -> str | Literal[False]:
    """Spell our own types as those that the database sees, so that a migration stays true when the code moves on."""
    if kind == "type" and isinstance(value, UtcDateTime):
        return "sa.DateTime()"
    if kind == "type" and isinstance(value, AutoString):
        return f"sa.String(length={value.length})" if value.length else "sa.String()"
    return False


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        render_item=_plain,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


_given = context.config.attributes.get("connection")
if _given is not None:
    _run(_given)
else:
    with Database(os.environ["CAPMART_CENTER_DATABASE_URL"]).engine.connect() as _connection:
        _run(_connection)
        _connection.commit()
