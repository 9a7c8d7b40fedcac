"""What customers say against lines of their invoices, and what is answered."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "line_dispute",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("credit_note_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_line_dispute_account_id"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_line_dispute_invoice_id"),
        sa.ForeignKeyConstraint(
            ["credit_note_id"], ["credit_note.id"], name="fk_line_dispute_credit_note_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_line_dispute"),
        sa.UniqueConstraint("invoice_id", "line", name="uq_line_dispute_invoice_id_line"),
    )
    op.create_index(
        "ix_line_dispute_open",
        "line_dispute",
        ["account_id"],
        postgresql_where=sa.text("answered_at is null"),
    )


def downgrade() -> None:
    op.drop_table("line_dispute")
