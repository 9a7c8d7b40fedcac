"""What the deletion of a fine-tuned model erased: versions with hashes, files, model servers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "variant_deletion",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("versions", postgresql.JSONB(), nullable=False),
        sa.Column("files", postgresql.JSONB(), nullable=False),
        sa.Column("deleted_by", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("servers_asked", sa.Integer(), nullable=True),
        sa.Column("servers_confirmed", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_variant_deletion_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_variant_deletion"),
    )
    op.create_index(
        "ix_variant_deletion_account_id_base_name_id",
        "variant_deletion",
        ["account_id", "base", "name", "id"],
    )


def downgrade() -> None:
    op.drop_table("variant_deletion")
