"""Pauses of subscriptions to EPCIS queries; a hash of what links a file to the plant model.

The previous version ignores both columns: it delivers paused subscriptions too."""

import sqlalchemy as sa
from alembic import op

revision = "0085"
down_revision = "0084"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "plant_event_subscription",
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
    )
    mark = sa.Computed(
        "case when attributes ?| array['asset', 'failure_mode', 'work_order'] "
        "then hashtext(id::text || attributes::text || status) end",
        persisted=True,
    )
    op.add_column("vector_store_file", sa.Column("link_mark", sa.Integer(), mark, nullable=True))
    op.create_index(
        "ix_vector_store_file_links",
        "vector_store_file",
        ["account_id"],
        postgresql_include=["link_mark"],
        postgresql_where=sa.text("link_mark is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_vector_store_file_links", "vector_store_file")
    op.drop_column("vector_store_file", "link_mark")
    op.drop_column("plant_event_subscription", "paused_at")
