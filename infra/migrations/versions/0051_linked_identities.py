"""Identities at external providers that are linked to persons.

The previous version neither reads nor writes the table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "linked_identity",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("provider", "subject", name="pk_linked_identity"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_linked_identity_person_id"),
    )
    op.create_index("ix_linked_identity_person_id", "linked_identity", ["person_id"])


def downgrade() -> None:
    op.drop_table("linked_identity")
