"""Sign-ups, the values that a starting grant is unique over, companies and payers of accounts.

The previous version neither reads nor writes these tables. Accounts that it creates have no company
until the next change of theirs; existing ones get theirs here.
"""

import unicodedata

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

_BATCH = 1_000
# As billing/accounts/legal_forms.toml had them when this was written.
_LEGAL_FORMS = (
    (
        bytes.fromhex("e69c89e99990e8b4a3e4bbbbe585ace58fb8").decode(),
        bytes.fromhex("e69c89e99990e585ace58fb8").decode(),
    ),
    ("incorporated", "inc"),
    ("corporation", "corp"),
    ("company", "co"),
    ("limited", "ltd"),
)


def upgrade() -> None:
    _create_companies()
    _create_payers()
    _create_signups()
    _create_claims()
    _fill_companies()


def downgrade() -> None:
    for table in ("signup_claim", "signup", "account_payer", "account_company"):
        op.drop_table(table)


def _text(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _create_companies() -> None:
    op.create_table(
        "account_company",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        _text("name_key"),
        _text("credit_code", nullable=True),
        _moment("created_at"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_account_company_account_id"
        ),
        sa.PrimaryKeyConstraint("account_id", name="pk_account_company"),
        sa.UniqueConstraint("credit_code", name="uq_account_company_credit_code"),
    )
    op.create_index("ix_account_company_name_key", "account_company", ["name_key"])


def _create_payers() -> None:
    op.create_table(
        "account_payer",
        _text("kind"),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        _moment("first_paid_at"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_account_payer_account_id"),
        sa.PrimaryKeyConstraint("kind", "digest", "account_id", name="pk_account_payer"),
    )
    op.create_index("ix_account_payer_account_id", "account_payer", ["account_id"])


def _create_signups() -> None:
    op.create_table(
        "signup",
        sa.Column("id", sa.Uuid(), nullable=False),
        *map(_text, ("status", "email", "mailbox", "contact_name", "company_name", "name_key")),
        _text("credit_code", nullable=True),
        _text("plan", nullable=True),
        _text("language"),
        _text("password_hash", nullable=True),
        sa.Column("texts", postgresql.JSONB(), nullable=False),
        _text("address"),
        _text("network"),
        sa.Column("device", sa.LargeBinary(), nullable=True),
        sa.Column("code_digest", sa.LargeBinary(), nullable=False),
        _moment("code_expires_at"),
        sa.Column("code_attempts", sa.Integer(), nullable=False),
        sa.Column("codes_sent", sa.Integer(), nullable=False),
        _moment("created_at"),
        _moment("verified_at", nullable=True),
        _text("outcome", nullable=True),
        sa.Column("reasons", postgresql.JSONB(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=True),
        sa.Column("appealed", sa.Boolean(), nullable=False),
        _moment("decided_at", nullable=True),
        _text("decided_by", nullable=True),
        _text("note"),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("grant_id", sa.Uuid(), nullable=True),
        _moment("revoked_at", nullable=True),
        *_signup_constraints(),
    )
    op.create_index(
        "ix_signup_review",
        "signup",
        ["verified_at"],
        postgresql_where=sa.text("status = 'review'"),
    )
    op.create_index("ix_signup_network_verified_at", "signup", ["network", "verified_at"])
    op.create_index("ix_signup_created_at", "signup", ["created_at"])


def _signup_constraints() -> tuple[sa.Constraint, ...]:
    return (
        sa.CheckConstraint(
            "status in ('unverified', 'review', 'opened', 'refused')", name="ck_signup_status"
        ),
        sa.CheckConstraint(
            "status <> 'opened' or account_id is not null", name="ck_signup_opened_account"
        ),
        sa.CheckConstraint(
            "grant_id is null or account_id is not null", name="ck_signup_grant_account"
        ),
        sa.CheckConstraint(
            "(status = 'unverified') = (verified_at is null)", name="ck_signup_verified"
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_signup_account_id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_signup_person_id"),
        sa.ForeignKeyConstraint(["grant_id"], ["wallet_grant.id"], name="fk_signup_grant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_signup"),
        sa.UniqueConstraint("account_id", name="uq_signup_account_id"),
        sa.UniqueConstraint("grant_id", name="uq_signup_grant_id"),
    )


def _create_claims() -> None:
    op.create_table(
        "signup_claim",
        _text("kind"),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("signup_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["signup_id"], ["signup.id"], name="fk_signup_claim_signup_id"),
        sa.PrimaryKeyConstraint("kind", "digest", name="pk_signup_claim"),
    )
    op.create_index("ix_signup_claim_signup_id", "signup_claim", ["signup_id"])


def _fill_companies() -> None:
    """Store the comparable name of each account's company."""
    connection = op.get_bind()
    accounts = connection.execute(sa.text("select id, name, created_at from account")).all()
    inserting = sa.text(
        "insert into account_company (account_id, name_key, created_at) "
        "values (:account, :key, :created_at)"
    )
    rows = [
        {"account": account_id, "key": _name_key(name), "created_at": created_at}
        for account_id, name, created_at in accounts
    ]
    for start in range(0, len(rows), _BATCH):
        connection.execute(inserting, rows[start : start + _BATCH])


def _name_key(name: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    key = "".join(letter for letter in folded if letter.isalnum())
    for spelling, compared in _LEGAL_FORMS:
        key = key.replace(spelling, compared)
    return key
