"""People who sign in; and mail that belongs to no account."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _person()
    _membership()
    _login_session()
    _one_time_token()
    _attempts()
    _audit_entry()
    op.alter_column("outbox", "account_id", nullable=True)


def downgrade() -> None:
    op.execute("delete from outbox where account_id is null")
    op.alter_column("outbox", "account_id", nullable=False)
    for table in ("audit_entry", "attempts", "one_time_token", "login_session", "membership"):
        op.drop_table(table)
    op.drop_table("person")


def _person() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("platform_role", sa.Text(), nullable=True),
        sa.Column("totp_secret", sa.LargeBinary(), nullable=True),
        _moment("totp_since", nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=False),
        sa.Column("recovery", postgresql.JSONB(), nullable=False),
        _moment("created_at"),
        sa.CheckConstraint(
            "platform_role in ('operator', 'support')", name="ck_person_platform_role"
        ),
        sa.CheckConstraint("language in ('zh', 'en')", name="ck_person_language"),
        sa.CheckConstraint("totp_since is null or totp_secret is not null", name="ck_person_totp"),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
        sa.UniqueConstraint("email", name="uq_person_email"),
    )


def _membership() -> None:
    op.create_table(
        "membership",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        _moment("created_at"),
        sa.CheckConstraint(
            "role in ('owner', 'developer', 'finance', 'viewer')", name="ck_membership_role"
        ),
        _person_key("membership", "person_id"),
        _account_key("membership"),
        sa.PrimaryKeyConstraint("person_id", "account_id", name="pk_membership"),
    )
    op.create_index("ix_membership_account_id", "membership", ["account_id"])


def _login_session() -> None:
    op.create_table(
        "login_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        _moment("impersonating_until", nullable=True),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        _moment("created_at"),
        _moment("seen_at"),
        _moment("expires_at"),
        _moment("ended_at", nullable=True),
        sa.CheckConstraint(
            "impersonating_until is null or account_id is not null",
            name="ck_login_session_impersonating",
        ),
        _person_key("login_session", "person_id"),
        _account_key("login_session"),
        sa.PrimaryKeyConstraint("id", name="pk_login_session"),
        sa.UniqueConstraint("digest", name="uq_login_session_digest"),
    )
    op.create_index("ix_login_session_person_id_id", "login_session", ["person_id", "id"])


def _one_time_token() -> None:
    op.create_table(
        "one_time_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        _moment("created_at"),
        _moment("expires_at"),
        _moment("used_at", nullable=True),
        _moment("withdrawn_at", nullable=True),
        *_of_each_kind(),
        _person_key("one_time_token", "person_id"),
        _person_key("one_time_token", "made_by"),
        _account_key("one_time_token"),
        sa.PrimaryKeyConstraint("id", name="pk_one_time_token"),
        sa.UniqueConstraint("digest", name="uq_one_time_token_digest"),
    )
    op.create_index(
        "ix_one_time_token_open",
        "one_time_token",
        ["account_id"],
        postgresql_where=sa.text("used_at is null and withdrawn_at is null"),
    )
    op.create_index("ix_one_time_token_person_id", "one_time_token", ["person_id"])


def _of_each_kind() -> list[sa.CheckConstraint]:
    said = {
        "kind": "kind in ('invitation', 'first', 'reset', 'second_step')",
        "person": "(kind in ('reset', 'second_step')) = (person_id is not null)",
        "email": "(kind = 'invitation') = (email is not null)",
        "role": "(kind in ('invitation', 'first')) = (role is not null)",
    }
    return [sa.CheckConstraint(of, name=f"ck_one_time_token_{name}") for name, of in said.items()]


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        _moment("last_at"),
        _moment("locked_until", nullable=True),
        sa.CheckConstraint("count >= 0", name="ck_attempts_count"),
        sa.PrimaryKeyConstraint("subject", name="pk_attempts"),
    )
    op.create_index("ix_attempts_last_at", "attempts", ["last_at"])


def _audit_entry() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        _moment("at"),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("impersonated", sa.Boolean(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        _person_key("audit_entry", "person_id"),
        _account_key("audit_entry"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entry"),
    )
    op.create_index("ix_audit_entry_account_id_id", "audit_entry", ["account_id", "id"])
    op.execute(
        "create trigger append_only before update or delete on audit_entry "
        "for each row execute function is_append_only()"
    )
    op.execute(
        "create trigger kept before truncate on audit_entry "
        "for each statement execute function is_append_only()"
    )
    op.execute("revoke update, delete, truncate on audit_entry from public")


def _person_key(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["person.id"], name=f"fk_{table}_{column}")


def _account_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=f"fk_{table}_account_id")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
