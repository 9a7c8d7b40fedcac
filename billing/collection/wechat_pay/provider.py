"""WeChat Pay as a payment provider: Native payment, whose code the customer scans with WeChat."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from billing.collection.collector import InvalidNotification
from billing.collection.payments.credentials import load_private_key, notification_url
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
from billing.collection.wechat_pay.client import Merchant, WeChatPayClient, WeChatPayRejected
from billing.collection.wechat_pay.info import WECHAT_PAY
from billing.collection.wechat_pay.keys import PlatformKeys
from billing.collection.wechat_pay.signing import (
    NotAuthentic,
    decrypt_resource,
    parse_object,
    verify_message,
)
from billing.outbox import RetryLater
from infra.clock import Clock
from infra.settings import Settings, SettingsInvalid

_API_BASE = "https://api.mch.weixin.qq.com"
_BEIJING = ZoneInfo("Asia/Shanghai")
_DESCRIPTION_LENGTH, _REASON_LENGTH = 127, 80
_TRADE_STATES = {
    "SUCCESS": TradeState.PAID,
    "REFUND": TradeState.REFUNDED,
    "NOTPAY": TradeState.PENDING,
    "USERPAYING": TradeState.PENDING,
    "CLOSED": TradeState.CLOSED,
    "REVOKED": TradeState.CLOSED,
    "PAYERROR": TradeState.FAILED,
}
# ABNORMAL: the payer's card is closed; the operator settles it in WeChat Pay's merchant platform.
_REFUND_STATES = {
    "SUCCESS": RefundState.SUCCEEDED,
    "PROCESSING": RefundState.PENDING,
    "ABNORMAL": RefundState.PENDING,
    "CLOSED": RefundState.FAILED,
}
# Codes of the current and the previous documentation.
_ABSENT_CODES = frozenset({"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"})
_NOT_CLOSABLE_CODES = _ABSENT_CODES | {"ORDER_PAID", "ORDERPAID", "ORDER_CLOSED", "ORDERCLOSED"}


class WeChatPay:
    """The provider of one merchant, bound to one event loop."""

    def __init__(
        self,
        client: WeChatPayClient,
        merchant: Merchant,
        keys: PlatformKeys,
        clock: Clock,
        notify_url: str,
    ) -> None:
        self._client = client
        self._merchant = merchant
        self._keys = keys
        self._clock = clock
        self._notify_url = notify_url

    @property
    def info(self) -> ProviderInfo:
        """Name, label and currencies of WeChat Pay."""
        return WECHAT_PAY

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._client.close()

    async def create_order(self, order: OrderRequest) -> str:
        """Create a Native order; return the text of its QR code (`weixin://…`)."""
        answer = await self._client.post(
            "/v3/pay/transactions/native",
            {
                "appid": self._merchant.app_id,
                "mchid": self._merchant.mch_id,
                "description": order.description[:_DESCRIPTION_LENGTH],
                "out_trade_no": order.number,
                "time_expire": order.expires_at.astimezone(_BEIJING).isoformat(timespec="seconds"),
                "notify_url": self._notify_url,
                "amount": {"total": order.minor, "currency": order.currency},
            },
        )
        code = answer.get("code_url")
        if not isinstance(code, str) or not code:
            raise RetryLater("WeChat Pay has sent no code.")
        return code

    async def query_order(self, number: str) -> PaymentResult:
        """Return the state of an order."""
        path = f"/v3/pay/transactions/out-trade-no/{quote(number, safe='')}"
        try:
            answer = await self._client.get(f"{path}?mchid={self._merchant.mch_id}")
        except WeChatPayRejected as error:
            if error.code not in _ABSENT_CODES:
                raise
            return PaymentResult(number, TradeState.ABSENT)
        try:
            return self._payment_result(answer)
        except NotAuthentic as error:
            raise RetryLater(f"An answer of WeChat Pay is of something else: {error}.") from error

    async def close_order(self, number: str) -> None:
        """Close an unpaid order; one that is paid, closed or unknown there stays as it is."""
        path = f"/v3/pay/transactions/out-trade-no/{quote(number, safe='')}/close"
        try:
            await self._client.post(path, {"mchid": self._merchant.mch_id})
        except WeChatPayRejected as error:
            if error.code not in _NOT_CLOSABLE_CODES:
                raise

    async def refund(self, refund: RefundRequest) -> RefundResult:
        """Refund a part of an order; a repeated number returns the earlier refund."""
        amount = {"refund": refund.minor, "total": refund.total, "currency": refund.currency}
        answer = await self._client.post(
            "/v3/refund/domestic/refunds",
            {
                "out_trade_no": refund.order_number,
                "out_refund_no": refund.number,
                "reason": refund.reason[:_REASON_LENGTH],
                "notify_url": self._notify_url,
                "amount": amount,
            },
        )
        return _answered_refund(answer)

    async def query_refund(self, refund: RefundRequest) -> RefundResult | None:
        """Return the state of a refund, None if WeChat Pay does not have it."""
        path = f"/v3/refund/domestic/refunds/{quote(refund.number, safe='')}"
        try:
            answer = await self._client.get(path)
        except WeChatPayRejected as error:
            if error.code not in _ABSENT_CODES:
                raise
            return None
        return _answered_refund(answer)

    def read_notification(self, body: bytes, headers: Mapping[str, str]) -> Notification | None:
        """Verify, decrypt and parse a notification of a payment or a refund."""
        try:
            verify_message(self._keys, headers, body, self._clock.now())
            message = parse_object(body)
            resource = message.get("resource")
            if not isinstance(resource, dict):
                raise NotAuthentic("it has no resource")
            content = parse_object(decrypt_resource(self._merchant.api_key, resource))
            kind = str(message.get("event_type"))
            if kind.startswith("TRANSACTION."):
                return self._payment_result(content)
            if kind.startswith("REFUND."):
                self._require_merchant(content)
                return _refund_result(content, str(content.get("refund_status")))
        except NotAuthentic as error:
            raise InvalidNotification(f"The notification was refused: {error}.") from error
        return None

    async def fetch_keys(self) -> Sequence[str]:
        """Fetch WeChat Pay's platform certificates and store those that are new, by serial number.

        They are encrypted with the API v3 key, which only WeChat Pay and the merchant have.
        """
        answer = await self._client.get("/v3/certificates", verified=False)
        try:
            certificates = {
                str(one["serial_no"]): decrypt_resource(
                    self._merchant.api_key, one["encrypt_certificate"]
                )
                for one in answer["data"]
            }
            return [serial for serial, pem in certificates.items() if self._keys.store(serial, pem)]
        except (KeyError, TypeError, ValueError, NotAuthentic) as error:
            raise RetryLater("The certificates of WeChat Pay cannot be read.") from error

    def _require_merchant(self, content: Mapping[str, Any]) -> None:
        """Raise NotAuthentic if a message is of another merchant."""
        if content.get("mchid") != self._merchant.mch_id:
            raise NotAuthentic("it is of another merchant")

    def _payment_result(self, content: Mapping[str, Any]) -> PaymentResult:
        """Return the result of a verified transaction. Raises NotAuthentic if it is malformed."""
        self._require_merchant(content)
        if content.get("appid") != self._merchant.app_id:
            raise NotAuthentic("it is of another application")
        number, state = content.get("out_trade_no"), _trade_state(content)
        if not isinstance(number, str):
            raise NotAuthentic("it names no order")
        if state not in (TradeState.PAID, TradeState.REFUNDED):
            return PaymentResult(number, state)
        amount, transaction_id = content.get("amount"), content.get("transaction_id")
        if not isinstance(amount, dict) or not isinstance(transaction_id, str):
            raise NotAuthentic("it has no amount or transaction")
        minor, currency = amount.get("total"), amount.get("currency", "CNY")
        if type(minor) is not int or not isinstance(currency, str):
            raise NotAuthentic("its amount is malformed")
        paid_at, payer = _parse_time(content.get("success_time")), content.get("payer")
        openid = payer.get("openid") if isinstance(payer, dict) else None
        payer_id = openid if isinstance(openid, str) else ""
        return PaymentResult(number, state, transaction_id, minor, currency, paid_at, payer_id)


def _trade_state(content: Mapping[str, Any]) -> TradeState:
    """Return the state of a transaction; one that is not known is looked at again later."""
    return _TRADE_STATES.get(str(content.get("trade_state")), TradeState.PENDING)


def _answered_refund(answer: Mapping[str, Any]) -> RefundResult:
    """Return the result of a refund that WeChat Pay has answered. Raises RetryLater."""
    try:
        return _refund_result(answer, str(answer.get("status")))
    except NotAuthentic as error:
        raise RetryLater(f"An answer of WeChat Pay about a refund is wrong: {error}.") from error


def _refund_result(content: Mapping[str, Any], status: str) -> RefundResult:
    """Return the result of a verified refund. Raises NotAuthentic if it is malformed."""
    amount = content.get("amount")
    minor = amount.get("refund") if isinstance(amount, dict) else None
    number, refund_id = content.get("out_refund_no"), content.get("refund_id")
    if not isinstance(number, str) or not isinstance(refund_id, str) or type(minor) is not int:
        raise NotAuthentic("it has no number or amount")
    state = _REFUND_STATES.get(status, RefundState.PENDING)
    detail = "" if status in ("SUCCESS", "PROCESSING") else status[:60]
    return RefundResult(number, state, refund_id, minor, detail)


def _parse_time(text: object) -> datetime | None:
    """Parse a time in RFC 3339; None if it is missing or malformed."""
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return None


def create_wechat_pay(settings: Settings, clock: Clock) -> WeChatPay | None:
    """Create the provider; None without a merchant id. Raises SettingsInvalid."""
    if settings.wechat_pay_mch_id is None:
        return None
    if settings.wechat_pay_keys_dir is None:
        raise SettingsInvalid("MAAS_WECHAT_PAY_MCH_ID needs MAAS_WECHAT_PAY_KEYS_DIR.")
    merchant = _merchant(settings, settings.wechat_pay_mch_id)
    keys = PlatformKeys(settings.wechat_pay_keys_dir)
    base_url = settings.wechat_pay_api_base or _API_BASE
    client = WeChatPayClient(base_url, merchant, keys, clock)
    return WeChatPay(client, merchant, keys, clock, notification_url(settings, WECHAT_PAY))


def _merchant(settings: Settings, mch_id: str) -> Merchant:
    """Return the merchant. Raises SettingsInvalid if a value is missing or wrong."""
    app_id, serial = settings.wechat_pay_app_id, settings.wechat_pay_serial
    private_key, api_key = settings.wechat_pay_private_key, settings.wechat_pay_api_key
    if app_id is None or serial is None or private_key is None or api_key is None:
        raise SettingsInvalid(
            "MAAS_WECHAT_PAY_MCH_ID needs MAAS_WECHAT_PAY_APP_ID, MAAS_WECHAT_PAY_SERIAL, "
            "MAAS_WECHAT_PAY_PRIVATE_KEY and MAAS_WECHAT_PAY_API_KEY."
        )
    key = load_private_key(private_key, "MAAS_WECHAT_PAY_PRIVATE_KEY")
    return Merchant(mch_id, app_id, serial, key, api_key.get_secret_value().encode())
