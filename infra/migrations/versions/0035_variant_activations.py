"""Which version of a fine-tuned model answered calls since when, and who chose it.

Rows of the time before are not reconstructed: a rollback without them returns to the next lower
version. A change made by the previous version of the gateway is missing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "variant_activation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("previous", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("activated_by", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_variant_activation_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_variant_activation"),
    )
    op.create_index(
        "ix_variant_activation_account_id_base_name_id",
        "variant_activation",
        ["account_id", "base", "name", "id"],
    )


def downgrade() -> None:
    op.drop_table("variant_activation")
