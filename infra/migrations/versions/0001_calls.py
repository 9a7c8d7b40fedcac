"""Accounts, API keys, the access epoch and usage."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("name", name="uq_account_name"),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="ck_account_currency"),
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replaces", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("hash", name="uq_api_key_hash"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_api_key_account_id"),
        sa.ForeignKeyConstraint(["replaces"], ["api_key.id"], name="fk_api_key_replaces"),
    )
    op.create_index("ix_api_key_account_id", "api_key", ["account_id"])
    _access_epoch()
    _usage()


def downgrade() -> None:
    for table in ("usage", "access_epoch", "api_key", "account"):
        op.drop_table(table)
    op.execute("drop function usage_is_append_only")


def _access_epoch() -> None:
    table = op.create_table(
        "access_epoch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_access_epoch"),
        sa.CheckConstraint("id = 1", name="ck_access_epoch_single_row"),
    )
    op.bulk_insert(table, [{"id": 1, "count": 0}])


def _usage() -> None:
    op.create_table(
        "usage",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("streamed", sa.Boolean(), nullable=False),
        sa.Column("settlement", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        sa.Column("first_chunk_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("request_id", name="pk_usage"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_usage_account_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name="fk_usage_key_id"),
        sa.CheckConstraint("cost_nano >= 0", name="ck_usage_cost_not_negative"),
        sa.CheckConstraint(
            "cost_nano = 0 or settlement in ('complete', 'client_abort')",
            name="ck_usage_billable",
        ),
        sa.CheckConstraint(
            "cost_nano = 0 or (account_id is not null and currency is not null)",
            name="ck_usage_payer",
        ),
    )
    op.create_index("ix_usage_account_id_started_at", "usage", ["account_id", "started_at"])
    # Facts append: whatever code runs later, the database refuses to change a usage row.
    op.execute(
        "create function usage_is_append_only() returns trigger language plpgsql as "
        "$$ begin raise exception 'usage rows are never changed'; end $$"
    )
    op.execute(
        "create trigger usage_is_append_only before update or delete on usage "
        "for each row execute function usage_is_append_only()"
    )
