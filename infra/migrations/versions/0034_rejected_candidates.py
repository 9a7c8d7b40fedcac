"""Rejected candidates of fine-tuning jobs: until when they can be accepted, and who accepted them.

The previous version erases no candidate: those that it finds stay until a gateway of this version
runs again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("candidate_until", "accepted_at"):
        op.add_column("adaptation", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("adaptation", sa.Column("accepted_by", sa.Text(), nullable=True))
    op.create_index(
        "ix_adaptation_candidate",
        "adaptation",
        ["candidate_until"],
        postgresql_where=sa.text("candidate_until is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_adaptation_candidate", table_name="adaptation")
    for name in ("accepted_by", "accepted_at", "candidate_until"):
        op.drop_column("adaptation", name)
