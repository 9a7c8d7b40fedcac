"""When the collector was last polled for an invoice, beside the table that names one collector.

Not copied: an invoice that is polled once more than needed is not changed by it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "invoice_poll",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_invoice_poll_invoice_id"),
        sa.PrimaryKeyConstraint("invoice_id", name="pk_invoice_poll"),
    )


def downgrade() -> None:
    op.drop_table("invoice_poll")
