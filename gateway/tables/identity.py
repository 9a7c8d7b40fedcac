"""The tables of people who sign in: who they are, where they belong, and what they did.

Owns columns and what the database itself enforces, no query. Of what a browser or an e-mail holds
there are only hashes: a copy of these tables opens no page.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment

_FIRM_ROLES = "('owner', 'developer', 'finance', 'viewer')"
_PLATFORM_ROLES = "('operator', 'support')"


class Person(SQLModel, table=True):
    """Somebody who signs in, known by an e-mail address in its normal form.

    `totp_secret` is sealed, and asked for from `totp_since` on; `totp_step` is the step of the last
    code that was taken, `recovery` the SHA-256 of each recovery code that is left, in hexadecimal.
    """

    __tablename__ = "person"
    __table_args__ = (
        UniqueConstraint("email"),
        CheckConstraint(f"platform_role in {_PLATFORM_ROLES}", name="platform_role"),
        CheckConstraint("language in ('zh', 'en')", name="language"),
        CheckConstraint("totp_since is null or totp_secret is not null", name="totp"),
    )

    id: UUID = Field(primary_key=True)
    email: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    password_hash: str = Field(sa_column=Column(Text, nullable=False))
    language: str | None = Field(default=None, sa_column=Column(Text))
    platform_role: str | None = Field(default=None, sa_column=Column(Text))
    totp_secret: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    totp_since: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    totp_step: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    recovery: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = Field(sa_column=moment())


class Membership(SQLModel, table=True):
    """What a person is in an account."""

    __tablename__ = "membership"
    __table_args__ = (CheckConstraint(f"role in {_FIRM_ROLES}", name="role"),)

    person_id: UUID = Field(primary_key=True, foreign_key="person.id")
    account_id: UUID = Field(primary_key=True, foreign_key="account.id", index=True)
    role: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())


class LoginSession(SQLModel, table=True):
    """A browser in which a person is signed in; `digest` is the SHA-256 of its cookie.

    `account_id` is the account that is shown, None for the platform's own pages. Where support
    looks at an account, `impersonating_until` says for how long.
    """

    __tablename__ = "login_session"
    __table_args__ = (
        UniqueConstraint("digest"),
        Index("ix_login_session_person_id_id", "person_id", "id"),
        CheckConstraint(
            "impersonating_until is null or account_id is not null", name="impersonating"
        ),
    )

    id: UUID = Field(primary_key=True)
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    person_id: UUID = Field(foreign_key="person.id")
    account_id: UUID | None = Field(default=None, foreign_key="account.id")
    impersonating_until: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    csrf: str = Field(sa_column=Column(Text, nullable=False))
    address: str = Field(sa_column=Column(Text, nullable=False))
    agent: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    seen_at: datetime = Field(sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class OneTimeToken(SQLModel, table=True):
    """A link or a ticket that works once: `digest` is the SHA-256 of what was given out.

    An invitation names an address and a role, in an account or without one on the platform; that of
    the first operator leaves the address open. A reset and the ticket between the two steps of
    signing in name a person.
    """

    __tablename__ = "one_time_token"
    __table_args__ = (
        UniqueConstraint("digest"),
        Index(
            "ix_one_time_token_open",
            "account_id",
            postgresql_where=text("used_at is null and withdrawn_at is null"),
        ),
        Index("ix_one_time_token_person_id", "person_id"),
        CheckConstraint("kind in ('invitation', 'first', 'reset', 'second_step')", name="kind"),
        CheckConstraint(
            "(kind in ('reset', 'second_step')) = (person_id is not null)", name="person"
        ),
        CheckConstraint("(kind = 'invitation') = (email is not null)", name="email"),
        CheckConstraint("(kind in ('invitation', 'first')) = (role is not null)", name="role"),
    )

    id: UUID = Field(primary_key=True)
    kind: str = Field(sa_column=Column(Text, nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    person_id: UUID | None = Field(default=None, foreign_key="person.id")
    email: str | None = Field(default=None, sa_column=Column(Text))
    account_id: UUID | None = Field(default=None, foreign_key="account.id")
    role: str | None = Field(default=None, sa_column=Column(Text))
    made_by: UUID | None = Field(default=None, foreign_key="person.id")
    created_at: datetime = Field(sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())
    used_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    withdrawn_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class KeptInput(SQLModel, table=True):
    """The input of a form whose session had expired, until the same person has signed in again.

    `digest` is the SHA-256 of what the browser's cookie holds. `sealed` is the form's values,
    sealed for this row, person, account and page. A row is deleted when it is shown.
    """

    __tablename__ = "kept_input"
    __table_args__ = (
        UniqueConstraint("digest"),
        Index("ix_kept_input_person_id", "person_id"),
        Index("ix_kept_input_expires_at", "expires_at"),
    )

    id: UUID = Field(primary_key=True)
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    person_id: UUID = Field(foreign_key="person.id")
    account_id: UUID | None = Field(default=None, foreign_key="account.id")
    page: str = Field(sa_column=Column(Text, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    expires_at: datetime = Field(sa_column=moment())


class Attempts(SQLModel, table=True):
    """How often somebody failed of late, by what is counted: an address or an e-mail, hashed.

    Attempts are counted before they are judged, so that many at once count as many.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ix_attempts_last_at", "last_at"),
        CheckConstraint("count >= 0", name="count"),
    )

    subject: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    count: int
    last_at: datetime = Field(sa_column=moment())
    locked_until: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class AuditEntry(SQLModel, table=True):
    """Who changed what, when and from where. Rows are never changed.

    `person_id` is None where it was done on the command line; `account_id` where it is about the
    platform.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (Index("ix_audit_entry_account_id_id", "account_id", "id"),)

    id: UUID = Field(primary_key=True)
    at: datetime = Field(sa_column=moment())
    person_id: UUID | None = Field(default=None, foreign_key="person.id")
    account_id: UUID | None = Field(default=None, foreign_key="account.id")
    impersonated: bool
    action: str = Field(sa_column=Column(Text, nullable=False))
    subject: str = Field(sa_column=Column(Text, nullable=False))
    details: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    address: str = Field(sa_column=Column(Text, nullable=False))
