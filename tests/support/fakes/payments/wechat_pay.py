"""A stand-in for WeChat Pay, API v3: Native orders, refunds, certificates, notifications.

Requests are refused unless the merchant signed them; answers and notifications are signed by the
platform key in force. `rotate` gives it a new key.
"""

import json
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.clock import Clock
from tests.support.fakes.listening import listening
from tests.support.fakes.payments.keys import (
    VALID_FROM,
    VALID_UNTIL,
    certificate_pem,
    private_pem,
    signed,
    verifies,
)
from tests.support.fakes.payments.trades import Ledger, Refunded, Trade

MCH_ID, APP_ID, API_KEY = "1900009191", "wx8888888888888888", "0123456789abcdef0123456789abcdef"
MERCHANT_SERIAL = "444F4864EA9B34415A1A2B3C4D5E6F7089ABCDEF"
MERCHANT = "wechat merchant"
BEIJING = ZoneInfo("Asia/Shanghai")
_AUTHORIZATION = re.compile(r'(\w+)="([^"]*)"')
Handler = Callable[[web.Request, bytes], dict[str, Any] | None]


class Rejection(Exception):
    """An error answer: HTTP status and code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass
class FakeWeChatPay:
    """The stand-in: its URL, trades and platform key (`serial`, whose owner signs)."""

    clock: Clock
    ledger: Ledger
    url: str = ""
    serial: str = "5157F09EFDC096DE15EBE81A47057A7200000001"
    owner: str = "wechat 1"
    notify_urls: list[str] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    refund_status: str = "SUCCESS"

    def reset(self) -> None:
        """Forget everything but the address."""
        vars(self).update(vars(FakeWeChatPay(self.clock, Ledger(self.clock), self.url)))

    def settings(self, keys_dir: Path) -> dict[str, Any]:
        """The settings of a service that uses it; the folder has its certificate."""
        self.install(keys_dir)
        return {
            "wechat_pay_mch_id": MCH_ID,
            "wechat_pay_app_id": APP_ID,
            "wechat_pay_serial": MERCHANT_SERIAL,
            "wechat_pay_private_key": private_pem(MERCHANT),
            "wechat_pay_api_key": API_KEY,
            "wechat_pay_keys_dir": keys_dir,
            "wechat_pay_api_base": self.url,
        }

    def install(self, keys_dir: Path) -> Path:
        """Put the certificate in force into a folder, as an operator does."""
        file = keys_dir / f"{self.serial}.pem"
        file.write_bytes(certificate_pem(self.owner, self.serial))
        return file

    def rotate(self) -> None:
        """Sign with a new key from now on."""
        self.serial, self.owner = "5157F09EFDC096DE15EBE81A47057A7200000002", "wechat 2"

    def pays(self, number: str, minor: int | None = None) -> Trade:
        """The customer scans the code and pays, by default what the order asks for."""
        trade = self.ledger.trades[number]
        if trade.status in ("NOTPAY", "CLOSED"):
            trade.status, trade.transaction_id = "SUCCESS", self.ledger.next_id("4200")
            trade.paid_at, trade.minor = self.clock.now(), minor or trade.minor
        return trade

    def payment_notification(self, number: str, **changes: Any) -> tuple[bytes, dict[str, str]]:
        """A notification of a payment: body and headers; `changes` replace parts of the content."""
        return self.notification("TRANSACTION.SUCCESS", {**self.transaction(number), **changes})

    def refund_notification(self, number: str, refund: str) -> tuple[bytes, dict[str, str]]:
        """A notification of a refund, as its state is."""
        trade = self.ledger.trades[number]
        content = self._refund_json(trade, trade.refunds[refund])
        status = content.pop("status")
        content = {**content, "mchid": MCH_ID, "refund_status": status}
        return self.notification(f"REFUND.{status}", content)

    def notification(self, kind: str, content: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
        """An encrypted and signed notification: body and headers."""
        body = json.dumps(
            {
                "id": secrets.token_hex(16),
                "create_time": self._time(self.clock.now()),
                "resource_type": "encrypt-resource",
                "event_type": kind,
                "summary": "支付成功",
                "resource": {
                    "original_type": kind.partition(".")[0].lower(),
                    **_encrypted(json.dumps(content).encode(), kind.partition(".")[0].lower()),
                },
            },
            ensure_ascii=False,
        ).encode()
        return body, self.signature_headers(body)

    def signature_headers(self, body: bytes) -> dict[str, str]:
        """The headers that sign a body now, in lower case."""
        timestamp, nonce = str(int(self.clock.now().timestamp())), secrets.token_hex(16)
        content = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        return {
            "wechatpay-timestamp": timestamp,
            "wechatpay-nonce": nonce,
            "wechatpay-serial": self.serial,
            "wechatpay-signature": signed(self.owner, content),
            "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
        }

    def transaction(self, number: str) -> dict[str, Any]:
        """A trade as query and notification have it."""
        trade = self.ledger.trades[number]
        state = "REFUND" if trade.refunds and trade.status == "SUCCESS" else trade.status
        answer = {
            "appid": APP_ID,
            "mchid": MCH_ID,
            "out_trade_no": number,
            "trade_state": state,
            "trade_state_desc": state,
        }
        if trade.paid_at is None:
            return answer
        return {
            **answer,
            "transaction_id": trade.transaction_id,
            "trade_type": "NATIVE",
            "bank_type": "OTHERS",
            "success_time": self._time(trade.paid_at),
            "payer": {"openid": "o-payer"},
            "amount": {
                "total": trade.minor,
                "payer_total": trade.minor,
                "currency": "CNY",
                "payer_currency": "CNY",
            },
        }

    def create(self, _request: web.Request, body: bytes) -> dict[str, Any]:
        asked = json.loads(body)
        number, minor = asked["out_trade_no"], asked["amount"]["total"]
        if asked["mchid"] != MCH_ID or asked["appid"] != APP_ID or minor < 1:
            raise Rejection(400, "PARAM_ERROR")
        expires_at = datetime.fromisoformat(asked["time_expire"])
        known = self.ledger.trades.setdefault(number, Trade(number, minor, expires_at, "NOTPAY"))
        if known.minor != minor:
            raise Rejection(403, "OUT_TRADE_NO_USED")
        self.notify_urls.append(asked["notify_url"])
        self.descriptions.append(asked["description"])
        return {"code_url": f"weixin://wxpay/bizpayurl?pr={number[-10:]}"}

    def query(self, request: web.Request, _body: bytes) -> dict[str, Any]:
        if request.query.get("mchid") != MCH_ID:
            raise Rejection(400, "PARAM_ERROR")
        return self.transaction(self._trade(request).number)

    def close(self, request: web.Request, body: bytes) -> None:
        trade = self._trade(request)
        if json.loads(body) != {"mchid": MCH_ID}:
            raise Rejection(400, "PARAM_ERROR")
        if trade.status == "SUCCESS":
            raise Rejection(400, "ORDER_PAID")
        trade.status = "CLOSED"

    def refund(self, _request: web.Request, body: bytes) -> dict[str, Any]:
        asked = json.loads(body)
        trade = self.ledger.trades.get(asked["out_trade_no"])
        if trade is None or trade.paid_at is None:
            raise Rejection(404, "RESOURCE_NOT_EXISTS")
        number, minor = asked["out_refund_no"], asked["amount"]["refund"]
        if number not in trade.refunds:
            if asked["amount"]["total"] != trade.minor or trade.refunded + minor > trade.minor:
                raise Rejection(400, "INVALID_REQUEST")
            refund_id = self.ledger.next_id("5030")
            trade.refunds[number] = Refunded(
                number, refund_id, minor, self.refund_status, self.clock.now()
            )
        return self._refund_json(trade, trade.refunds[number])

    def query_refund(self, request: web.Request, _body: bytes) -> dict[str, Any]:
        for trade in self.ledger.trades.values():
            found = trade.refunds.get(request.match_info["number"])
            if found is not None:
                return self._refund_json(trade, found)
        raise Rejection(404, "RESOURCE_NOT_EXISTS")

    def certificates(self, _request: web.Request, _body: bytes) -> dict[str, Any]:
        content = certificate_pem(self.owner, self.serial)
        one = {
            "serial_no": self.serial,
            "effective_time": self._time(VALID_FROM),
            "expire_time": self._time(VALID_UNTIL),
            "encrypt_certificate": _encrypted(content, "certificate"),
        }
        return {"data": [one]}

    def _trade(self, request: web.Request) -> Trade:
        trade = self.ledger.trades.get(request.match_info["number"])
        if trade is None:
            raise Rejection(404, "ORDER_NOT_EXIST")
        return trade

    def _refund_json(self, trade: Trade, refund: Refunded) -> dict[str, Any]:
        return {
            "refund_id": refund.id,
            "out_refund_no": refund.number,
            "transaction_id": trade.transaction_id,
            "out_trade_no": trade.number,
            "channel": "ORIGINAL",
            "user_received_account": "支付用户零钱",
            "create_time": self._time(refund.at),
            "status": refund.status,
            "amount": {"total": trade.minor, "refund": refund.minor, "currency": "CNY"},
        }

    @staticmethod
    def _time(moment: datetime) -> str:
        return moment.astimezone(BEIJING).isoformat(timespec="seconds")


def _encrypted(content: bytes, associated_data: str) -> dict[str, str]:
    nonce = secrets.token_hex(6)
    sealed = AESGCM(API_KEY.encode()).encrypt(nonce.encode(), content, associated_data.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": b64encode(sealed).decode(),
        "associated_data": associated_data,
        "nonce": nonce,
    }


def _require_merchant(request: web.Request, body: bytes) -> None:
    """Refuse a request that the merchant did not sign."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    parts = dict(_AUTHORIZATION.findall(rest))
    signed_text = "\n".join(
        (request.method, request.path_qs, parts.get("timestamp", ""), parts.get("nonce_str", ""))
    )
    try:
        content = f"{signed_text}\n".encode() + body + b"\n"
        verifies(MERCHANT, b64decode(parts.get("signature", "")), content)
    except InvalidSignature:
        raise Rejection(401, "SIGN_ERROR") from None
    wanted = (MCH_ID, MERCHANT_SERIAL, "WECHATPAY2-SHA256-RSA2048")
    if (parts.get("mchid"), parts.get("serial_no"), scheme) != wanted:
        raise Rejection(401, "SIGN_ERROR")


@asynccontextmanager
async def run_fake_wechat_pay(clock: Clock) -> AsyncIterator[FakeWeChatPay]:
    """Serve until the block ends."""
    fake = FakeWeChatPay(clock, Ledger(clock))
    app = web.Application()

    def route(method: str, path: str, handler: Handler) -> None:
        async def answer(request: web.Request) -> web.Response:
            body = await request.read()
            fake.ledger.requests.append(f"{request.method} {request.path}")
            try:
                if fake.ledger.status != 200:
                    raise Rejection(fake.ledger.status, "SYSTEM_ERROR")
                if fake.ledger.rejection:
                    raise Rejection(400, fake.ledger.rejection)
                _require_merchant(request, body)
                found = handler(request, body)
            except Rejection as error:
                said = {"code": error.code, "message": "拒绝"}
                return web.json_response(said, status=error.status)
            content = b"" if found is None else json.dumps(found, ensure_ascii=False).encode()
            headers = fake.signature_headers(content if fake.ledger.is_signed else b"another")
            return web.Response(
                body=content,
                status=204 if found is None else 200,
                headers=headers,
                content_type="application/json",
            )

        app.router.add_route(method, path, answer)

    route("POST", "/v3/pay/transactions/native", fake.create)
    route("GET", "/v3/pay/transactions/out-trade-no/{number}", fake.query)
    route("POST", "/v3/pay/transactions/out-trade-no/{number}/close", fake.close)
    route("POST", "/v3/refund/domestic/refunds", fake.refund)
    route("GET", "/v3/refund/domestic/refunds/{number}", fake.query_refund)
    route("GET", "/v3/certificates", fake.certificates)
    async with listening(app) as url:
        fake.url = url
        yield fake
