"""What is owed: invoices, credit notes, the double-entry ledger, wallets and payments.

The database itself keeps the books honest: facts are never changed, a ledger transaction sums to
zero when it commits and nothing is added to it later, and a final invoice keeps its amounts
and its parties.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _ledger_transaction()
    _number_series()
    _wallet_grant()
    _invoice()
    _credit_note()
    _invoice_line()
    _ledger_posting()
    _payment()
    _append_only()
    _balanced()
    _final_invoices()


def downgrade() -> None:
    for table in ("payment", "ledger_posting", "ledger_transaction", "invoice_line"):
        op.drop_table(table)
    for table in ("credit_note", "invoice", "wallet_grant", "number_series"):
        op.drop_table(table)
    for function in ("ledger_balances", "posting_is_of_now", "invoice_keeps", "invoice_line_keeps"):
        op.execute(f"drop function {function}")


def _ledger_transaction() -> None:
    op.create_table(
        "ledger_transaction",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("business_key", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "written_in",
            sa.BigInteger(),
            server_default=sa.text("pg_current_xact_id()::text::bigint"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_ledger_transaction_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_transaction"),
        sa.UniqueConstraint("business_key", name="uq_ledger_transaction_business_key"),
    )
    op.create_index(
        "ix_ledger_transaction_account_id", "ledger_transaction", ["account_id"], unique=False
    )


def _number_series() -> None:
    op.create_table(
        "number_series",
        sa.Column("legal_entity_id", sa.Uuid(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["legal_entity_id"], ["legal_entity.id"], name="fk_number_series_legal_entity_id"
        ),
        sa.PrimaryKeyConstraint("legal_entity_id", "document", name="pk_number_series"),
    )


def _wallet_grant() -> None:
    op.create_table(
        "wallet_grant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("business_key", sa.Text(), nullable=False),
        sa.Column("paid", sa.Boolean(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("minor > 0", name="ck_wallet_grant_positive"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_wallet_grant_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_wallet_grant"),
        sa.UniqueConstraint(
            "account_id", "business_key", name="uq_wallet_grant_account_id_business_key"
        ),
    )
    op.create_index("ix_wallet_grant_account_id", "wallet_grant", ["account_id"], unique=False)


def _invoice() -> None:
    op.create_table(
        "invoice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("legal_entity_id", sa.Uuid(), nullable=False),
        sa.Column("period_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tax_treatment", sa.Text(), nullable=False),
        sa.Column("tax_ppm", sa.Integer(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("usage", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finalised_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("parties", postgresql.JSONB(), nullable=True),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("stripe_invoice", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(status = 'draft') = (number is null)", name="ck_invoice_draft_has_no_number"
        ),
        sa.CheckConstraint(
            "(number is null) = (finalised_at is null)", name="ck_invoice_numbered_when_final"
        ),
        sa.CheckConstraint(
            "(number is null) = (parties is null)", name="ck_invoice_final_says_between_whom"
        ),
        sa.CheckConstraint("net + tax = total", name="ck_invoice_adds_up"),
        sa.CheckConstraint("total >= 0", name="ck_invoice_not_negative"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_invoice_account_id"),
        sa.ForeignKeyConstraint(
            ["legal_entity_id"], ["legal_entity.id"], name="fk_invoice_legal_entity_id"
        ),
        sa.ForeignKeyConstraint(["period_id"], ["billing_period.id"], name="fk_invoice_period_id"),
        sa.PrimaryKeyConstraint("id", name="pk_invoice"),
        sa.UniqueConstraint("legal_entity_id", "number", name="uq_invoice_legal_entity_id_number"),
        sa.UniqueConstraint("stripe_invoice", name="uq_invoice_stripe_invoice"),
    )
    op.create_index("ix_invoice_account_id", "invoice", ["account_id", "created_at"], unique=False)
    op.create_index(
        "ix_invoice_unpaid",
        "invoice",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index("uq_invoice_period_id", "invoice", ["period_id"], unique=True)


def _credit_note() -> None:
    op.create_table(
        "credit_note",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("legal_entity_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("business_key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("refund", sa.Boolean(), nullable=False),
        sa.Column("to_wallet", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("net + tax = total and total > 0", name="ck_credit_note_adds_up"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_credit_note_account_id"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_credit_note_invoice_id"),
        sa.ForeignKeyConstraint(
            ["legal_entity_id"], ["legal_entity.id"], name="fk_credit_note_legal_entity_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_credit_note"),
        sa.UniqueConstraint(
            "account_id", "business_key", name="uq_credit_note_account_id_business_key"
        ),
        sa.UniqueConstraint(
            "legal_entity_id", "number", name="uq_credit_note_legal_entity_id_number"
        ),
    )
    op.create_index("ix_credit_note_invoice_id", "credit_note", ["invoice_id"], unique=False)


def _invoice_line() -> None:
    op.create_table(
        "invoice_line",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("meter", sa.Text(), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("included", sa.BigInteger(), nullable=False),
        sa.Column("ppm", sa.Integer(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_invoice_line_account_id"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_invoice_line_invoice_id"),
        sa.ForeignKeyConstraint(
            ["plan_version_id"], ["plan_version.id"], name="fk_invoice_line_plan_version_id"
        ),
        sa.PrimaryKeyConstraint("invoice_id", "position", name="pk_invoice_line"),
    )


def _ledger_posting() -> None:
    op.create_table(
        "ledger_posting",
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("grant_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("minor <> 0", name="ck_ledger_posting_not_zero"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_ledger_posting_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["wallet_grant.id"], name="fk_ledger_posting_grant_id"
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoice.id"], name="fk_ledger_posting_invoice_id"
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transaction.id"], name="fk_ledger_posting_transaction_id"
        ),
        sa.PrimaryKeyConstraint("transaction_id", "position", name="pk_ledger_posting"),
    )
    op.create_index(
        "ix_ledger_posting_account_id", "ledger_posting", ["account_id", "book"], unique=False
    )
    op.create_index(
        "ix_ledger_posting_invoice_id",
        "ledger_posting",
        ["invoice_id"],
        unique=False,
        postgresql_where=sa.text("invoice_id is not null"),
    )


def _payment() -> None:
    op.create_table(
        "payment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("minor <> 0", name="ck_payment_not_zero"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_payment_account_id"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_payment_invoice_id"),
        sa.PrimaryKeyConstraint("id", name="pk_payment"),
        sa.UniqueConstraint("method", "reference", name="uq_payment_method_reference"),
    )
    op.create_index("ix_payment_account_id", "payment", ["account_id"], unique=False)
    op.create_index("ix_payment_invoice_id", "payment", ["invoice_id"], unique=False)


def _append_only() -> None:
    for table in ("ledger_transaction", "ledger_posting", "credit_note", "payment", "wallet_grant"):
        op.execute(
            f"create trigger append_only before update or delete on {table} "
            "for each row execute function is_append_only()"
        )
        op.execute(
            f"create trigger kept before truncate on {table} "
            "for each statement execute function is_append_only()"
        )
        # The trigger binds everyone; this also says it to other roles and their tools.
        op.execute(f"revoke update, delete, truncate on {table} from public")


def _balanced() -> None:
    op.execute(
        """
        create function ledger_balances() returns trigger language plpgsql as $$
        declare total numeric; sides int;
        begin
            select coalesce(sum(minor), 0), count(*) into total, sides
            from ledger_posting where transaction_id = new.id;
            if total <> 0 or sides < 2 then
                raise exception 'ledger transaction % does not balance', new.business_key
                    using errcode = 'check_violation';
            end if;
            return null;
        end $$
        """
    )
    op.execute(
        "create constraint trigger balances after insert on ledger_transaction "
        "deferrable initially deferred for each row execute function ledger_balances()"
    )
    op.execute(
        """
        create function posting_is_of_now() returns trigger language plpgsql as $$
        begin
            if not exists (
                select from ledger_transaction t
                where t.id = new.transaction_id and t.account_id = new.account_id
                  and t.written_in = pg_current_xact_id()::text::bigint
            ) then
                raise exception 'a posting is written with its transaction, of the same account'
                    using errcode = 'check_violation';
            end if;
            return new;
        end $$
        """
    )
    op.execute(
        "create trigger of_now before insert on ledger_posting "
        "for each row execute function posting_is_of_now()"
    )


def _final_invoices() -> None:
    op.execute(
        """
        create function invoice_keeps() returns trigger language plpgsql as $$
        begin
            if tg_op = 'DELETE' then
                if old.status = 'draft' then return old; end if;
                raise exception 'a final invoice is never deleted';
            end if;
            if old.status <> 'draft' and (
                new.status = 'draft'
                or (new.account_id, new.legal_entity_id, new.number, new.currency, new.net,
                    new.tax, new.total, new.usage, new.starts_at, new.ends_at, new.finalised_at,
                    new.parties)
                is distinct from
                   (old.account_id, old.legal_entity_id, old.number, old.currency, old.net,
                    old.tax, old.total, old.usage, old.starts_at, old.ends_at, old.finalised_at,
                    old.parties)
            ) then
                raise exception 'a final invoice keeps its amounts and its parties';
            end if;
            return new;
        end $$
        """
    )
    op.execute(
        "create trigger keeps before update or delete on invoice "
        "for each row execute function invoice_keeps()"
    )
    op.execute(
        """
        create function invoice_line_keeps() returns trigger language plpgsql as $$
        declare line invoice_line;
        begin
            line := case when tg_op = 'INSERT' then new else old end;
            if exists (
                select from invoice i where i.id = line.invoice_id and i.status <> 'draft'
            ) then
                raise exception 'the lines of a final invoice are never changed';
            end if;
            return case when tg_op = 'DELETE' then old else new end;
        end $$
        """
    )
    op.execute(
        "create trigger keeps before insert or update or delete on invoice_line "
        "for each row execute function invoice_line_keeps()"
    )
