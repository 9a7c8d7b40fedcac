"""Tables of companies: the registered company of an account, and who has paid for an account."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class AccountCompany(SQLModel, table=True):
    """The company of an account: its comparable name and its unified social credit code, if known.

    One account has one company, and one credit code belongs to one account.
    """

    __tablename__ = "account_company"
    __table_args__ = (
        UniqueConstraint("credit_code"),
        Index("ix_account_company_name_key", "name_key"),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="account.id")
    name_key: str = Field(sa_column=Column(Text, nullable=False))
    credit_code: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())


class AccountPayer(SQLModel, table=True):
    """Who has paid for an account or stored a payment method for it, as a hash.

    `kind` is `wechat_pay`, `alipay`, `stripe` or `bank`; `digest` is the SHA-256 of kind and
    identity (openid, buyer id, fingerprint of a card or wallet, bank account).
    """

    __tablename__ = "account_payer"

    kind: str = Field(sa_column=Column(Text, primary_key=True))
    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    account_id: UUID = Field(primary_key=True, foreign_key="account.id", index=True)
    first_paid_at: datetime = Field(sa_column=moment())
