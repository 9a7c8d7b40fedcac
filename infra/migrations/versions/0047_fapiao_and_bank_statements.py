"""Fapiao: buyer titles, service categories, batches, requests and files; bank lines and proofs.

The previous version neither reads nor writes these tables.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

_TITLE_TEXTS = ("kind", "name", "tax_number", "address", "phone", "bank_name", "bank_account")


def upgrade() -> None:
    _create_titles()
    _create_batches()
    _create_fapiao()
    _create_files()
    _create_bank_lines()
    _create_proofs()


def _create_titles() -> None:
    op.create_table(
        "fapiao_title",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in (*_TITLE_TEXTS, "email")),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind in ('ordinary', 'special')", name="ck_fapiao_title_kind_known"),
        sa.CheckConstraint(
            "kind = 'ordinary' or tax_number <> ''",
            name="ck_fapiao_title_special_has_tax_number",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_fapiao_title_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_fapiao_title"),
    )
    op.create_index("ix_fapiao_title_account_id", "fapiao_title", ["account_id"])
    op.create_index(
        "uq_fapiao_title_default",
        "fapiao_title",
        ["account_id"],
        unique=True,
        postgresql_where=sa.text("is_default and removed_at is null"),
    )
    op.create_table(
        "fapiao_category",
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("product", name="pk_fapiao_category"),
    )


def _create_batches() -> None:
    op.create_table(
        "fapiao_batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("legal_entity_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["legal_entity_id"], ["legal_entity.id"], name="fk_fapiao_batch_legal_entity_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_fapiao_batch"),
    )


def _create_fapiao() -> None:
    op.create_table(
        "fapiao",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("legal_entity_id", sa.Uuid(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("colour", sa.Text(), nullable=False),
        sa.Column("original_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", postgresql.JSONB(), nullable=False),
        sa.Column("reissue_title", postgresql.JSONB(), nullable=True),
        sa.Column("tax_treatment", sa.Text(), nullable=False),
        sa.Column("tax_ppm", sa.Integer(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("lines", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        *_fapiao_constraints(),
    )
    for column in ("account_id", "invoice_id", "original_id", "batch_id"):
        op.create_index(f"ix_fapiao_{column}", "fapiao", [column])
    op.create_index(
        "ix_fapiao_open",
        "fapiao",
        ["requested_at"],
        postgresql_where=sa.text("status in ('requested', 'issuing')"),
    )


def _fapiao_constraints() -> Sequence[sa.Constraint]:
    """Checks and keys of the table `fapiao`."""
    return (
        sa.CheckConstraint("colour in ('blue', 'red')", name="ck_fapiao_colour_known"),
        sa.CheckConstraint(
            "status in ('requested', 'issuing', 'issued', 'rejected')",
            name="ck_fapiao_status_known",
        ),
        sa.CheckConstraint(
            "net + tax = total and total > 0 and tax >= 0", name="ck_fapiao_adds_up"
        ),
        sa.CheckConstraint(
            "(colour = 'red') = (original_id is not null)", name="ck_fapiao_red_has_original"
        ),
        sa.CheckConstraint(
            "(status = 'issued') = (number is not null)", name="ck_fapiao_issued_has_number"
        ),
        sa.CheckConstraint(
            "(number is null) = (issued_on is null)", name="ck_fapiao_number_has_day"
        ),
        sa.CheckConstraint(
            "status not in ('issuing', 'issued') or batch_id is not null",
            name="ck_fapiao_issued_by_batch",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_fapiao_account_id"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_fapiao_invoice_id"),
        sa.ForeignKeyConstraint(
            ["legal_entity_id"], ["legal_entity.id"], name="fk_fapiao_legal_entity_id"
        ),
        sa.ForeignKeyConstraint(["original_id"], ["fapiao.id"], name="fk_fapiao_original_id"),
        sa.ForeignKeyConstraint(["batch_id"], ["fapiao_batch.id"], name="fk_fapiao_batch_id"),
        sa.PrimaryKeyConstraint("id", name="pk_fapiao"),
        sa.UniqueConstraint("serial", name="uq_fapiao_serial"),
        sa.UniqueConstraint("number", name="uq_fapiao_number"),
    )


def _create_files() -> None:
    op.create_table(
        "fapiao_file",
        sa.Column("fapiao_id", sa.Uuid(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["fapiao_id"], ["fapiao.id"], name="fk_fapiao_file_fapiao_id"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_fapiao_file_account_id"),
        sa.PrimaryKeyConstraint("fapiao_id", "format", name="pk_fapiao_file"),
    )
    op.create_index("ix_fapiao_file_account_id", "fapiao_file", ["account_id"])


def _create_bank_lines() -> None:
    op.create_table(
        "bank_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("line_hash", sa.Text(), nullable=False),
        sa.Column("bank_account", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("payer_name", sa.Text(), nullable=False),
        sa.Column("payer_account", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("flags", postgresql.JSONB(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("minor > 0", name="ck_bank_line_positive"),
        sa.CheckConstraint(
            "status in ('proposed', 'ambiguous', 'unmatched', 'confirmed')",
            name="ck_bank_line_status_known",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_bank_line"),
        sa.UniqueConstraint("line_hash", name="uq_bank_line_line_hash"),
    )
    op.create_index(
        "ix_bank_line_open",
        "bank_line",
        ["booked_on"],
        postgresql_where=sa.text("status <> 'confirmed'"),
    )
    op.create_table(
        "bank_proposal",
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["bank_line.id"], name="fk_bank_proposal_line_id"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_bank_proposal_invoice_id"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_bank_proposal_account_id"),
        sa.PrimaryKeyConstraint("line_id", "invoice_id", name="pk_bank_proposal"),
    )
    op.create_index("ix_bank_proposal_account_id", "bank_proposal", ["account_id"])


def _create_proofs() -> None:
    op.create_table(
        "payment_proof",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uploaded_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_payment_proof_account_id"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_payment_proof_invoice_id"),
        sa.PrimaryKeyConstraint("id", name="pk_payment_proof"),
    )
    for column in ("account_id", "invoice_id"):
        op.create_index(f"ix_payment_proof_{column}", "payment_proof", [column])


def downgrade() -> None:
    for table in ("payment_proof", "bank_proposal", "bank_line"):
        op.drop_table(table)
    for table in ("fapiao_file", "fapiao", "fapiao_batch", "fapiao_category", "fapiao_title"):
        op.drop_table(table)
