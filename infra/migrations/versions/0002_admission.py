"""What limits spending: credit, quotas, leases of them, open calls and kept answers.

Accounts that were there before may spend without limit as they could, until someone sets one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_key", sa.Column("monthly_budget_nano", sa.BigInteger(), nullable=True))
    _credit()
    _quotas()
    _leases()
    _calls()


def downgrade() -> None:
    for table in ("kept_answer", "intent", "quota_lease", "gateway_process", "quota"):
        op.drop_table(table)
    op.drop_table("credit_entry")
    op.execute("drop function credit_is_append_only")
    op.drop_column("api_key", "monthly_budget_nano")


def _credit() -> None:
    op.create_table(
        "credit_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("amount_nano", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_credit_entry"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_credit_entry_account_id"),
    )
    op.create_index("ix_credit_entry_account_id", "credit_entry", ["account_id"])
    op.execute(
        "create function credit_is_append_only() returns trigger language plpgsql as "
        "$$ begin raise exception 'credit entries are never changed'; end $$"
    )
    op.execute(
        "create trigger credit_is_append_only before update or delete on credit_entry "
        "for each row execute function credit_is_append_only()"
    )


def _quotas() -> None:
    op.create_table(
        "quota",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("leased", sa.BigInteger(), nullable=False),
        sa.Column("recalls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quota"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_quota_account_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name="fk_quota_key_id"),
        sa.CheckConstraint("used >= 0 and leased >= 0", name="ck_quota_not_negative"),
    )
    op.create_index(
        "uq_quota_scope",
        "quota",
        ["account_id", "key_id", "kind", "period_start"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )

    # What accounts and, in this month, keys have spent counts from the first call on.
    op.execute(
        "insert into quota (id, account_id, key_id, kind, period_start, amount, used, leased, "
        "recalls) select gen_random_uuid(), a.id, null, 'credit', null, null, "
        "coalesce((select sum(cost_nano) from usage u where u.account_id = a.id), 0), 0, 0 "
        "from account a"
    )
    op.execute(
        "insert into quota (id, account_id, key_id, kind, period_start, amount, used, leased, "
        "recalls) select gen_random_uuid(), k.account_id, k.id, 'budget', m.start, null, "
        "coalesce((select sum(cost_nano) from usage u where u.account_id = k.account_id "
        "and u.key_id = k.id and u.started_at >= m.start), 0), 0, 0 "
        "from api_key k, (select date_trunc('month', now(), 'UTC') as start) m"
    )


def _leases() -> None:
    op.create_table(
        "gateway_process",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_gateway_process"),
    )
    op.create_table(
        "quota_lease",
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("quota_id", sa.Uuid(), nullable=False),
        sa.Column("borrowed", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("folded", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("process_id", "quota_id", name="pk_quota_lease"),
        sa.ForeignKeyConstraint(
            ["process_id"], ["gateway_process.id"], name="fk_quota_lease_process_id"
        ),
        sa.ForeignKeyConstraint(["quota_id"], ["quota.id"], name="fk_quota_lease_quota_id"),
        sa.CheckConstraint(
            "0 <= folded and folded <= used and used <= borrowed",
            name="ck_quota_lease_within_what_was_borrowed",
        ),
        # Changed with every group of calls: room on the page makes such a change a cheap one.
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index("ix_quota_lease_quota_id", "quota_lease", ["quota_id"])


def _calls() -> None:
    # No foreign keys: rows live for the length of a call, and are written in the hottest path.
    op.create_table(
        "intent",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("streamed", sa.Boolean(), nullable=False),
        sa.Column("held_nano", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_intent"),
    )
    op.create_index("ix_intent_process_id", "intent", ["process_id"])
    op.create_table(
        "kept_answer",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "idempotency_key", name="pk_kept_answer"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_kept_answer_account_id"),
        sa.UniqueConstraint("request_id", name="uq_kept_answer_request_id"),
    )
    op.create_index("ix_kept_answer_expires_at", "kept_answer", ["expires_at"])
    op.create_index("ix_kept_answer_process_id", "kept_answer", ["process_id"])
