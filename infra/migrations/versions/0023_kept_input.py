"""What a form said whose session had expired, sealed, until the same person has signed in."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_input",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name="fk_kept_input_person_id_person"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_kept_input_account_id_account"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_kept_input"),
        sa.UniqueConstraint("digest", name="uq_kept_input_digest"),
    )
    op.create_index("ix_kept_input_person_id", "kept_input", ["person_id"])
    op.create_index("ix_kept_input_expires_at", "kept_input", ["expires_at"])


def downgrade() -> None:
    op.drop_table("kept_input")
