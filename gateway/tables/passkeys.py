"""Table of passkeys: public keys of people's devices, with which they sign in."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class Passkey(SQLModel, table=True):
    """A person's passkey: the credential's id and public key (COSE).

    `sign_count` is the last count that the device reported, 0 for synchronized passkeys.
    `last_challenge` is the SHA-256 of the last challenge answered, which is not accepted again.
    """

    __tablename__ = "passkey"
    __table_args__ = (Index("ix_passkey_person_id", "person_id"),)

    id: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    person_id: UUID = Field(foreign_key="person.id")
    public_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sign_count: int = Field(sa_column=Column(BigInteger, nullable=False))
    last_challenge: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    name: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    used_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
