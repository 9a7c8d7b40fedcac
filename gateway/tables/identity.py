"""Identity tables: people, memberships, login sessions, one-time tokens and the audit log.

Cookies and e-mailed links are stored only as hashes: a copy of these tables grants no access.
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
    """A person who can sign in, identified by a normalized e-mail address.

    `totp_secret` is encrypted; TOTP is required if `totp_since` is set. `totp_step` is the time
    step of the last used code, `recovery` the hexadecimal SHA-256 of each unused recovery code.
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
    """A person's role in an account."""

    __tablename__ = "membership"
    __table_args__ = (CheckConstraint(f"role in {_FIRM_ROLES}", name="role"),)

    person_id: UUID = Field(primary_key=True, foreign_key="person.id")
    account_id: UUID = Field(primary_key=True, foreign_key="account.id", index=True)
    role: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())


class LoginSession(SQLModel, table=True):
    """A login session of a person in one browser; `digest` is the SHA-256 of its cookie.

    `account_id` is the shown account, None for the platform's pages. `impersonating_until` is set
    while support staff view an account.
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
    """A one-time token: an e-mailed link or a login ticket. `digest` is the SHA-256 of its secret.

    An invitation has an e-mail address and a role, in an account or (without one) on the platform;
    the first operator's invitation has no address. A password reset and a login ticket have a
    person.
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
    """Form input that was sent after session expiry, kept until the person signs in again.

    `digest` is the SHA-256 of the browser's cookie. `sealed` is the form's values, encrypted for
    this row, person, account and page. The row is deleted when the input is restored.
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
    """A counter of recent login or reset attempts for one hashed e-mail address or network.

    Attempts are counted before they are checked, so that concurrent attempts all count.
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
    """An audit log entry: who changed what, when and from which address. Append-only.

    `person_id` is None for changes made with the CLI or an API key, `account_id` for platform
    changes.
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
