"""The upstream that answered a call and what it cost there; totals of both for margin reports.

The totals have a cursor of their own, so that rows which a worker of the previous version
aggregates during the upgrade are not left out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("usage", sa.Column("upstream", sa.Text(), nullable=True))
    op.add_column("usage", sa.Column("upstream_cost_nano", sa.BigInteger(), nullable=True))
    op.create_table(
        "upstream_total",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("upstream", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("uncosted_calls", sa.BigInteger(), nullable=False),
        sa.Column("charged_nano", sa.BigInteger(), nullable=False),
        sa.Column("uncosted_charged_nano", sa.BigInteger(), nullable=False),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "hour", "account_id", "model", "upstream", "currency", name="pk_upstream_total"
        ),
    )
    op.create_table(
        "upstream_cursor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("consumed", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_upstream_cursor_single_row"),
        sa.PrimaryKeyConstraint("id", name="pk_upstream_cursor"),
    )
    op.execute("insert into upstream_cursor (id, consumed) select 1, consumed from usage_cursor")


def downgrade() -> None:
    op.drop_table("upstream_cursor")
    op.drop_table("upstream_total")
    op.drop_column("usage", "upstream_cost_nano")
    op.drop_column("usage", "upstream")
