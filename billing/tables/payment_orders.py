"""Tables of payment orders (payment by QR code), their refunds and their discrepancies."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class PaymentOrder(SQLModel, table=True):
    """One attempt to pay an invoice, or to top up the wallet if `invoice_id` is None, by QR code.

    `method` is the payment provider's name, `number` our order number there (`out_trade_no`) and
    `transaction_id` the provider's id of the payment. `code` is the content of the QR code.
    `credited_to` is `invoice` or `wallet` once paid. `poll_at` is when the provider is queried
    next, None if it is not.
    """

    __tablename__ = "payment_order"
    __table_args__ = (
        CheckConstraint("minor > 0", name="positive"),
        CheckConstraint(
            "(state = 'paid') = (transaction_id is not null)", name="paid_by_transaction"
        ),
        CheckConstraint("(state = 'paid') = (credited_to is not null)", name="paid_is_credited"),
        UniqueConstraint("number"),
        UniqueConstraint("method", "transaction_id"),
        Index("ix_payment_order_account_id", "account_id", "id"),
        Index(
            "uq_payment_order_active_invoice",
            "invoice_id",
            unique=True,
            postgresql_where=text("state in ('created', 'pending')"),
        ),
        Index("ix_payment_order_poll_at", "poll_at", postgresql_where=text("poll_at is not null")),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    invoice_id: UUID | None = Field(default=None, foreign_key="invoice.id")
    method: str = Field(sa_column=Column(Text, nullable=False))
    minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    number: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    code: str | None = Field(default=None, sa_column=Column(Text))
    transaction_id: str | None = Field(default=None, sa_column=Column(Text))
    credited_to: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())
    paid_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    poll_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class PaymentRefund(SQLModel, table=True):
    """A refund of a paid order. It is in the ledger from its creation on.

    `number` is our refund number at the provider. `credit_note_id` is set if a part reduces the
    invoice. `last_error` is the provider's reason while it refuses the refund.
    """

    __tablename__ = "payment_refund"
    __table_args__ = (
        CheckConstraint("minor > 0", name="positive"),
        UniqueConstraint("number"),
        UniqueConstraint("account_id", "business_key"),
        Index("ix_payment_refund_order_id", "order_id"),
        Index("ix_payment_refund_poll_at", "poll_at", postgresql_where=text("poll_at is not null")),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    order_id: UUID = Field(foreign_key="payment_order.id")
    business_key: str = Field(sa_column=Column(Text, nullable=False))
    number: str = Field(sa_column=Column(Text, nullable=False))
    minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    provider_id: str | None = Field(default=None, sa_column=Column(Text))
    credit_note_id: UUID | None = Field(default=None, foreign_key="credit_note.id")
    last_error: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    poll_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class PaymentDiscrepancy(SQLModel, table=True):
    """A payment or refund that differs from its order, so that it was not recorded as such.

    `minor` and `currency` are what the provider says. An operator resolves it.
    """

    __tablename__ = "payment_discrepancy"
    __table_args__ = (
        UniqueConstraint("order_id", "kind", "reference"),
        Index("ix_payment_discrepancy_open", "id", postgresql_where=text("resolved_at is null")),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    order_id: UUID = Field(foreign_key="payment_order.id")
    kind: str = Field(sa_column=Column(Text, nullable=False))
    reference: str = Field(sa_column=Column(Text, nullable=False))
    minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    recorded_at: datetime = Field(sa_column=moment())
    resolved_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    resolution: str | None = Field(default=None, sa_column=Column(Text))
