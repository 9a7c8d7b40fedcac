"""The interface of a payment provider that takes single payments by QR code.

    create_order -> query_order | notification -> close_order     one payment of one order
    refund -> query_refund | notification                         back to whoever paid

It stands beside the interface of collectors (billing/collection/collector.py), which collect whole
invoices from registered customers; a payment order has neither. An implementation knows neither our
tables nor our pages. Amounts are minor units (fen). Orders and refunds are named by our numbers, so
that a repeated request has its effect once. Methods that ask the provider raise RetryLater if it
does not answer, or its answer is not signed by it, and PermanentFailure if it rejects the request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable


class TradeState(StrEnum):
    """The state of an order at the provider."""

    ABSENT = "absent"  # unknown there: nobody has scanned the code
    PENDING = "pending"
    PAID = "paid"
    REFUNDED = "refunded"  # paid, and refunded at least in part
    CLOSED = "closed"
    FAILED = "failed"


class RefundState(StrEnum):
    """The state of a refund; `failed` is final: the provider will not pay it out."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """What is known of a payment provider without its credentials.

    `name` is stored with orders and payments; it never changes. `label` is for people, in English.
    Notifications arrive at `notification_path`; `acknowledgement` is the body, of media type
    `acknowledgement_type`, after which the provider stops repeating one.
    """

    name: str
    label: str
    notification_path: str
    acknowledgement: str
    acknowledgement_type: str
    currencies: frozenset[str] = frozenset({"CNY"})


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order to create; `description` is shown to the payer."""

    number: str
    minor: int
    currency: str
    description: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentResult:
    """What the provider says of an order.

    `transaction_id`, `minor`, `currency` and `paid_at` are set if the order was paid. `minor` is
    the order's amount as paid, before coupons that the provider itself grants the payer. `payer` is
    the provider's id of who paid (openid, buyer id), empty if it is not said; `payer_kind` is set
    if ids of several methods are comparable. `is_payer_pending` says that only a query tells it.
    """

    number: str
    state: TradeState
    transaction_id: str = ""
    minor: int = 0
    currency: str = ""
    paid_at: datetime | None = None
    payer: str = ""
    payer_kind: str = ""
    is_payer_pending: bool = False


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """A refund of a part of an order that was paid with `total`."""

    order_number: str
    number: str
    minor: int
    total: int
    currency: str
    reason: str


@dataclass(frozen=True, slots=True)
class RefundResult:
    """What the provider says of a refund; `detail` is its own word for a state to be looked at.

    `minor` is None if the provider does not say the amount, as before the refund exists there.
    """

    number: str
    state: RefundState
    provider_id: str = ""
    minor: int | None = None
    detail: str = ""


Notification = PaymentResult | RefundResult


@runtime_checkable  # web handlers receive it, whose arguments are checked
class PaymentProvider(Protocol):
    """A payment provider, with its credentials and connections."""

    @property
    def info(self) -> ProviderInfo:
        """Name, label and currencies."""

    async def close(self) -> None:
        """Close the connections."""

    async def create_order(self, order: OrderRequest) -> str:
        """Create an order, or find the same one of an earlier attempt; return the code's text."""

    async def query_order(self, number: str) -> PaymentResult:
        """Return the state of an order."""

    async def close_order(self, number: str) -> None:
        """Close an unpaid order; one that is paid or unknown there stays as it is."""

    async def refund(self, refund: RefundRequest) -> RefundResult:
        """Refund a part of an order; a repeated number has no effect."""

    async def query_refund(self, refund: RefundRequest) -> RefundResult | None:
        """Return the state of a refund, None if the provider does not have it."""

    async def fetch_keys(self) -> Sequence[str]:
        """Fetch and store the provider's public keys; return the names of those that are new.

        A provider whose key is in the settings returns none.
        """

    def read_notification(self, body: bytes, headers: Mapping[str, str]) -> Notification | None:
        """Verify and parse a notification; None if it is of no concern.

        `headers` have lower-case names. Raises InvalidNotification.
        """
