"""Daily reports of agents, and an index of the ticks that recommended something.

The previous version neither reads nor writes the table."""

import sqlalchemy as sa
from alembic import op

revision = "0084"
down_revision = "0083"
branch_labels = None
depends_on = None

_HAS_DAILY_REPORT = "definition #>> '{recipients,daily_report}' <> ''"
_RECOMMENDS = "assessment ->> 'action' <> 'wait'"


def upgrade() -> None:
    op.create_table(
        "agent_report",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_report_account_id"),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_report_agent_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("agent_id", name="pk_agent_report"),
    )
    op.create_index("ix_agent_report_account_id", "agent_report", ["account_id"])
    op.create_index(
        "ix_agent_daily_report", "agent", ["id"], postgresql_where=sa.text(_HAS_DAILY_REPORT)
    )
    op.create_index(
        "ix_agent_tick_recommended",
        "agent_tick",
        ["agent_id", "scheduled_at"],
        postgresql_where=sa.text(_RECOMMENDS),
    )


def downgrade() -> None:
    op.drop_index("ix_agent_tick_recommended", table_name="agent_tick")
    op.drop_index("ix_agent_daily_report", table_name="agent")
    op.drop_table("agent_report")
