"""Meters: pictures judged and seconds of adaptation, of calls and in the totals.

Earlier calls judged no pictures and adapted nothing: their rows say nothing of either, and the
totals that they are in nothing but zero.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_METERS = ("images", "adaptation_seconds")
_TOTALS = ("usage_total", "usage_tag_total")


def upgrade() -> None:
    for meter in _METERS:
        op.add_column("usage", sa.Column(meter, sa.BigInteger(), nullable=True))
        for table in _TOTALS:
            # The default fills what is there, without writing it anew. It is not kept: a worker of
            # before, still running, would count calls without these units and leave no trace of it.
            # So it fails, and the next one counts them.
            op.add_column(
                table, sa.Column(meter, sa.BigInteger(), nullable=False, server_default="0")
            )
            op.alter_column(table, meter, server_default=None)


def downgrade() -> None:
    for meter in _METERS:
        for table in ("usage", *_TOTALS):
            op.drop_column(table, meter)
