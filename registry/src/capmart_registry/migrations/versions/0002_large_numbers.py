"""numbers that others say may be large

Revision: 0002
After: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS = (("followed_log", "size", False), ("ledger_key", "revoked_from", True))


def upgrade() -> None:
    """Move the schema forward."""
    _change(sa.Integer(), sa.BigInteger())


def downgrade() -> None:
    """Move the schema back."""
    _change(sa.BigInteger(), sa.Integer())


def _change(before: sa.types.TypeEngine[int], after: sa.types.TypeEngine[int]) -> None:
    for table, column, nullable in _COLUMNS:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.alter_column(column, existing_type=before, type_=after, existing_nullable=nullable)
