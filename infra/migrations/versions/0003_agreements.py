"""What is agreed and counted: plans, subscriptions, billing periods, totals of usage.

Adds to usage rows which terms priced them, their tags, what a plan's included units covered of
them, and which transaction wrote them; and to quotas, of which terms they are included units.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _legal_entity()
    _plan_version()
    _unlisted_plan()
    _usage_cursor()
    _stale_credit()
    _usage_tag_total()
    _usage_cover_total()
    _usage_total()
    _billing_period()
    _billing_profile()
    _subscription_phase()
    _usage()
    _quota()
    _first_rows()
    _triggers()


def downgrade() -> None:
    for table in ("subscription_phase", "billing_period", "plan_version", "billing_profile"):
        op.drop_table(table)
    op.drop_table("unlisted_plan")
    for table in ("legal_entity", "usage_total", "usage_tag_total", "usage_cursor", "stale_credit"):
        op.drop_table(table)
    op.drop_table("usage_cover_total")
    for function in ("subscription_phase_apart", "billing_period_apart", "is_append_only"):
        op.execute(f"drop function {function}")
    op.drop_index("ix_usage_written_in", "usage")
    op.drop_constraint("ck_usage_covered", "usage")
    for column in ("plan_version_id", "tags", "covered", "written_in"):
        op.drop_column("usage", column)
    op.execute(
        "delete from quota_lease using quota q where q.id = quota_id and q.kind = 'included_units'"
    )
    op.execute("delete from quota where kind = 'included_units'")
    op.drop_index("uq_quota_scope", "quota")
    for column in ("plan_version_id", "scope"):
        op.drop_column("quota", column)
    _one_quota_each("account_id", "key_id", "kind", "period_start")


def _legal_entity() -> None:
    op.create_table(
        "legal_entity",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("tax_number", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_legal_entity"),
        sa.UniqueConstraint("code", name="uq_legal_entity_code"),
    )


def _plan_version() -> None:
    op.create_table(
        "plan_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_plan_version"),
        sa.UniqueConstraint(
            "plan", "currency", "number", name="uq_plan_version_plan_currency_number"
        ),
    )


def _unlisted_plan() -> None:
    op.create_table(
        "unlisted_plan",
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("plan", "currency", name="pk_unlisted_plan"),
    )


def _stale_credit() -> None:
    op.create_table(
        "stale_credit",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_stale_credit"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_stale_credit_account_id"),
    )


def _usage_cursor() -> None:
    op.create_table(
        "usage_cursor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("consumed", sa.BigInteger(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_usage_cursor_single_row"),
        sa.PrimaryKeyConstraint("id", name="pk_usage_cursor"),
    )


def _usage_tag_total() -> None:
    op.create_table(
        "usage_tag_total",
        sa.Column("period_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "period_id",
            "tag",
            "value",
            "model",
            "plan_version_id",
            "late",
            name="pk_usage_tag_total",
        ),
    )


def _usage_cover_total() -> None:
    op.create_table(
        "usage_cover_total",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("quota_id", sa.Uuid(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "quota_id", name="pk_usage_cover_total"),
    )


def _usage_total() -> None:
    op.create_table(
        "usage_total",
        sa.Column("period_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("settlement", sa.Text(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "period_id",
            "hour",
            "model",
            "plan_version_id",
            "key_id",
            "operation",
            "settlement",
            "late",
            name="pk_usage_total",
        ),
    )
    op.create_index(
        "ix_usage_total_account_id_hour", "usage_total", ["account_id", "hour"], unique=False
    )


def _billing_period() -> None:
    op.create_table(
        "billing_period",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("anchor_day", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cut", sa.BigInteger(), nullable=True),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name="ck_billing_period_in_order"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_billing_period_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_billing_period"),
        sa.UniqueConstraint("account_id", "ends_at", name="uq_billing_period_account_id_ends_at"),
        sa.UniqueConstraint(
            "account_id", "starts_at", name="uq_billing_period_account_id_starts_at"
        ),
    )
    op.create_index(
        "ix_billing_period_open",
        "billing_period",
        ["ends_at"],
        unique=False,
        postgresql_where=sa.text("closed_at is null"),
    )


def _billing_profile() -> None:
    op.create_table(
        "billing_profile",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("legal_entity_id", sa.Uuid(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("anchor_day", sa.Integer(), nullable=False),
        sa.Column("tax_treatment", sa.Text(), nullable=False),
        sa.Column("tax_ppm", sa.Integer(), nullable=False),
        sa.Column("tax_number", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("net_days", sa.Integer(), nullable=False),
        sa.Column("billing_name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("stripe_customer", sa.Text(), nullable=True),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("anchor_day between 1 and 31", name="ck_billing_profile_anchor_day"),
        sa.CheckConstraint("net_days between 0 and 365", name="ck_billing_profile_net_days"),
        sa.CheckConstraint("tax_ppm between 0 and 1000000", name="ck_billing_profile_tax_ppm"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_billing_profile_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["legal_entity_id"], ["legal_entity.id"], name="fk_billing_profile_legal_entity_id"
        ),
        sa.PrimaryKeyConstraint("account_id", name="pk_billing_profile"),
        sa.UniqueConstraint("stripe_customer", name="uq_billing_profile_stripe_customer"),
    )


def _subscription_phase() -> None:
    op.create_table(
        "subscription_phase",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fees_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fees_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trial", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "ends_at is null or ends_at >= starts_at", name="ck_subscription_phase_in_order"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_subscription_phase_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["plan_version_id"], ["plan_version.id"], name="fk_subscription_phase_plan_version_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subscription_phase"),
    )
    op.create_index(
        "ix_subscription_phase_account_id",
        "subscription_phase",
        ["account_id", "starts_at"],
        unique=False,
    )


def _usage() -> None:
    op.add_column("usage", sa.Column("plan_version_id", sa.Uuid(), nullable=True))
    op.add_column("usage", sa.Column("tags", postgresql.JSONB(), nullable=True))
    op.add_column("usage", sa.Column("covered", postgresql.JSONB(), nullable=True))
    op.create_check_constraint(
        "ck_usage_covered",
        "usage",
        "covered is null or (settlement in ('complete', 'client_abort') "
        "and account_id is not null and plan_version_id is not null)",
    )
    op.add_column(
        "usage",
        sa.Column(
            "written_in",
            sa.BigInteger(),
            server_default=sa.text("pg_current_xact_id()::text::bigint"),
            nullable=False,
        ),
    )
    op.create_index(
        "ix_usage_written_in", "usage", ["written_in"], unique=False, postgresql_using="brin"
    )


def _quota() -> None:
    op.add_column("quota", sa.Column("plan_version_id", sa.Uuid(), nullable=True))
    op.add_column("quota", sa.Column("scope", sa.Text(), nullable=True))
    op.drop_index("uq_quota_scope", "quota")
    _one_quota_each("account_id", "key_id", "kind", "period_start", "plan_version_id", "scope")


def _one_quota_each(*columns: str) -> None:
    op.create_index(
        "uq_quota_scope", "quota", list(columns), unique=True, postgresql_nulls_not_distinct=True
    )


def _first_rows() -> None:
    op.execute("insert into usage_cursor (id, consumed, moved_at) values (1, 0, now())")
    op.execute(
        "insert into legal_entity (id, code, name, address, tax_number, created_at) "
        "values (gen_random_uuid(), 'MAAS', 'MaaS', '', '', now())"
    )


def _triggers() -> None:
    op.execute(
        """
        create function is_append_only() returns trigger language plpgsql as $$
        begin
            raise exception 'rows of % are never changed', tg_table_name;
        end $$
        """
    )
    op.execute(
        "create trigger append_only before update or delete on plan_version "
        "for each row execute function is_append_only()"
    )
    for table in ("subscription_phase", "billing_period"):
        # The row lock on the billing profile keeps others from looking between. At the commit the
        # row is as it is then; `new` is what it was when it was written.
        op.execute(
            f"""
            create function {table}_apart() returns trigger language plpgsql as $$
            begin
                if exists (
                    select from {table} n
                    join {table} o on o.account_id = n.account_id and o.id <> n.id
                    where n.id = new.id
                      and o.starts_at < coalesce(n.ends_at, 'infinity')
                      and coalesce(o.ends_at, 'infinity') > n.starts_at
                      and n.starts_at < coalesce(n.ends_at, 'infinity')
                      and o.starts_at < coalesce(o.ends_at, 'infinity')
                ) then
                    raise exception '{table} overlaps another of the account'
                        using errcode = 'exclusion_violation';
                end if;
                return null;
            end $$
            """
        )
        op.execute(
            f"create constraint trigger apart after insert or update on {table} "
            f"deferrable initially deferred for each row execute function {table}_apart()"
        )
