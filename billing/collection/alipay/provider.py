"""Alipay as a payment provider: `alipay.trade.precreate`, whose code the customer scans."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from billing.collection.alipay.client import BEIJING, AlipayClient, AlipayRejected, Application
from billing.collection.alipay.info import ALIPAY
from billing.collection.alipay.signing import NotAuthentic, verify_parameters
from billing.collection.collector import InvalidNotification
from billing.collection.payments.credentials import (
    load_private_key,
    load_public_key,
    notification_url,
)
from billing.collection.payments.provider import (
    Notification,
    OrderRequest,
    PaymentResult,
    ProviderInfo,
    RefundRequest,
    RefundResult,
    RefundState,
    TradeState,
)
from billing.money import minor_from_text, minor_text
from billing.outbox import RetryLater
from infra.clock import Clock
from infra.settings import Settings, SettingsInvalid

_GATEWAY = "https://openapi.alipay.com/gateway.do"
# Alipay's amounts have no currency: an application is paid in yuan.
_CURRENCY = "CNY"
_SUBJECT_LENGTH, _REASON_LENGTH = 256, 256
_ABSENT = "ACQ.TRADE_NOT_EXIST"
# A paid or closed trade cannot be closed.
_NOT_CLOSABLE = frozenset({_ABSENT, "ACQ.TRADE_STATUS_ERROR", "ACQ.REASON_TRADE_STATUS_INVALID"})
_TRADE_STATES = {
    "WAIT_BUYER_PAY": TradeState.PENDING,
    "TRADE_SUCCESS": TradeState.PAID,
    "TRADE_FINISHED": TradeState.PAID,
    "TRADE_CLOSED": TradeState.CLOSED,
}


class Alipay:
    """The provider of one application, bound to one event loop."""

    def __init__(self, client: AlipayClient, application: Application, notify_url: str) -> None:
        self._client = client
        self._application = application
        self._notify_url = notify_url

    @property
    def info(self) -> ProviderInfo:
        """Name, label and currencies of Alipay."""
        return ALIPAY

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._client.close()

    async def create_order(self, order: OrderRequest) -> str:
        """Create a code for an order; return its text (`https://qr.alipay.com/…`)."""
        content = {
            "out_trade_no": order.number,
            "total_amount": minor_text(order.minor, order.currency),
            "subject": order.description[:_SUBJECT_LENGTH],
            "time_expire": f"{order.expires_at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}",
            "product_code": "QR_CODE_OFFLINE",
        }
        answer = await self._client.call("alipay.trade.precreate", content, self._notify_url)
        code = answer.get("qr_code")
        if not isinstance(code, str) or not code:
            raise RetryLater("Alipay has sent no code.")
        return code

    async def query_order(self, number: str) -> PaymentResult:
        """Return the state of an order; it exists at Alipay once its code is scanned."""
        try:
            answer = await self._client.call("alipay.trade.query", {"out_trade_no": number})
        except AlipayRejected as error:
            if error.reason != _ABSENT:
                raise
            return PaymentResult(number, TradeState.ABSENT)
        try:
            return _payment_result(answer, answer.get("send_pay_date"))
        except NotAuthentic as error:
            raise RetryLater(f"An answer of Alipay is of something else: {error}.") from error

    async def close_order(self, number: str) -> None:
        """Close an unpaid order; one that is paid, closed or unknown there stays as it is."""
        try:
            await self._client.call("alipay.trade.close", {"out_trade_no": number})
        except AlipayRejected as error:
            if error.reason not in _NOT_CLOSABLE:
                raise

    async def refund(self, refund: RefundRequest) -> RefundResult:
        """Refund a part of an order; a repeated number has no effect.

        The answer to a refund does not say whether money moved for this number: the state is what
        the query says.
        """
        content = {
            "out_trade_no": refund.order_number,
            "out_request_no": refund.number,
            "refund_amount": minor_text(refund.minor, refund.currency),
            "refund_reason": refund.reason[:_REASON_LENGTH],
        }
        await self._client.call("alipay.trade.refund", content)
        result = await self.query_refund(refund)
        return result or RefundResult(refund.number, RefundState.PENDING)

    async def query_refund(self, refund: RefundRequest) -> RefundResult | None:
        """Return the state of a refund, None if Alipay does not have it."""
        content = {"out_trade_no": refund.order_number, "out_request_no": refund.number}
        try:
            answer = await self._client.call("alipay.trade.fastpay.refund.query", content)
        except AlipayRejected as error:
            if error.reason != _ABSENT:
                raise
            return None
        amount, status = answer.get("refund_amount"), answer.get("refund_status")
        if amount is None:  # an answer without a refund says that there is none
            return None
        minor = _parse_amount(amount)
        # Alipay leaves the status out unless the refund has succeeded.
        is_paid = status == "REFUND_SUCCESS"
        state = RefundState.SUCCEEDED if is_paid else RefundState.PENDING
        return RefundResult(refund.number, state, str(answer.get("trade_no", "")), minor)

    async def fetch_keys(self) -> Sequence[str]:
        """Return nothing: Alipay's public key is a setting."""
        return ()

    def read_notification(self, body: bytes, headers: Mapping[str, str]) -> Notification | None:
        """Verify and parse a notification; refunds are found by their query."""
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100)
            parameters = dict(pairs)
            if len(parameters) != len(pairs):
                raise NotAuthentic("a parameter is repeated")
            verify_parameters(self._application.alipay_key, parameters)
            self._require_application(parameters)
            if "trade_status" not in parameters:
                return None
            return _payment_result(parameters, parameters.get("gmt_payment"))
        except (ValueError, NotAuthentic) as error:
            raise InvalidNotification(f"The notification was refused: {error}.") from error

    def _require_application(self, parameters: Mapping[str, str]) -> None:
        """Raise NotAuthentic if a notification is of another application or seller."""
        if parameters.get("app_id") != self._application.app_id:
            raise NotAuthentic("it is of another application")
        if parameters.get("seller_id") != self._application.seller_id:
            raise NotAuthentic("it is of another seller")


def _payment_result(content: Mapping[str, Any], paid_at: object) -> PaymentResult:
    """Return the result of a verified trade. Raises NotAuthentic if it is malformed.

    A trade that is closed after its payment was refunded as a whole; one with a refunded amount was
    refunded in part.
    """
    number, status = content.get("out_trade_no"), str(content.get("trade_status"))
    if not isinstance(number, str) or not number:
        raise NotAuthentic("it names no order")
    state = _TRADE_STATES.get(status, TradeState.PENDING)
    was_paid = state is TradeState.PAID or (state is TradeState.CLOSED and bool(paid_at))
    if not was_paid:
        return PaymentResult(number, state)
    minor, transaction_id = _parse_amount(content.get("total_amount")), content.get("trade_no")
    if minor is None or not isinstance(transaction_id, str) or not transaction_id:
        raise NotAuthentic("it has no amount or transaction")
    refunded = _parse_amount(content.get("refund_fee")) or 0
    if state is TradeState.CLOSED or refunded:
        state = TradeState.REFUNDED
    # The names of the notification, of the query, and of applications that have open ids.
    names = ("buyer_id", "buyer_user_id", "buyer_open_id")
    payer = next((content[name] for name in names if isinstance(content.get(name), str)), "")
    paid_at = _parse_time(paid_at)
    return PaymentResult(number, state, transaction_id, minor, _CURRENCY, paid_at, payer)


def _parse_amount(value: object) -> int | None:
    """Parse an amount in yuan to fen; None if it is missing or malformed."""
    try:
        return minor_from_text(str(value), _CURRENCY)
    except ValueError:
        return None


def _parse_time(value: object) -> datetime | None:
    """Parse a time of Beijing, such as `2026-11-02 10:00:00`; None if it is malformed."""
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return parsed.replace(tzinfo=BEIJING).astimezone(UTC)


def create_alipay(settings: Settings, clock: Clock) -> Alipay | None:
    """Create the provider; None without an application. Raises SettingsInvalid."""
    if settings.alipay_app_id is None:
        return None
    seller_id, private_key = settings.alipay_seller_id, settings.alipay_private_key
    if seller_id is None or private_key is None or settings.alipay_public_key is None:
        raise SettingsInvalid(
            "MAAS_ALIPAY_APP_ID needs MAAS_ALIPAY_SELLER_ID, MAAS_ALIPAY_PRIVATE_KEY and "
            "MAAS_ALIPAY_PUBLIC_KEY."
        )
    application = Application(
        settings.alipay_app_id,
        seller_id,
        load_private_key(private_key, "MAAS_ALIPAY_PRIVATE_KEY"),
        load_public_key(settings.alipay_public_key, "MAAS_ALIPAY_PUBLIC_KEY"),
    )
    client = AlipayClient(settings.alipay_api_base or _GATEWAY, application, clock)
    return Alipay(client, application, notification_url(settings, ALIPAY))
