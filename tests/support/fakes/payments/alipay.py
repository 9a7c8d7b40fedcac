"""A stand-in for Alipay's gateway: precreate, query, close, refund, notifications.

Requests are refused unless the application signed them; answers and notifications are signed with
Alipay's key. As at Alipay, a trade exists only once its code is scanned.
"""

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web
from cryptography.exceptions import InvalidSignature

from billing.money import minor_from_text, minor_text
from infra.clock import Clock
from tests.support.fakes.listening import listening
from tests.support.fakes.payments.keys import private_base64, public_base64, signed, verifies
from tests.support.fakes.payments.trades import Ledger, Refunded, Trade

APP_ID, SELLER_ID = "2021000000000001", "2088102146225135"
APPLICATION, ALIPAY = "alipay application", "alipay"
BEIJING = ZoneInfo("Asia/Shanghai")


class Rejection(Exception):
    """A business error: its `sub_code`."""


@dataclass
class FakeAlipay:
    """The stand-in: its URL and trades. `scanned` are those whose code somebody has scanned."""

    clock: Clock
    ledger: Ledger
    url: str = ""
    scanned: set[str] = field(default_factory=set)
    notify_urls: list[str] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    code: str = "40004"  # of rejections

    def reset(self) -> None:
        """Forget everything but the address."""
        vars(self).update(vars(FakeAlipay(self.clock, Ledger(self.clock), self.url)))

    def settings(self) -> dict[str, Any]:
        """The settings of a service that uses it."""
        return {
            "alipay_app_id": APP_ID,
            "alipay_seller_id": SELLER_ID,
            "alipay_private_key": private_base64(APPLICATION),
            "alipay_public_key": public_base64(ALIPAY),
            "alipay_api_base": f"{self.url}/gateway.do",
        }

    def scans(self, number: str) -> None:
        """The customer scans the code, and does not pay yet."""
        self.scanned.add(number)

    def pays(self, number: str, minor: int | None = None) -> Trade:
        """The customer scans the code and pays, by default what the order asks for."""
        self.scans(number)
        trade = self.ledger.trades[number]
        if trade.status in ("WAIT_BUYER_PAY", "TRADE_CLOSED"):
            trade.status, trade.transaction_id = "TRADE_SUCCESS", self.ledger.next_id("2026")
            trade.paid_at, trade.minor = self.clock.now(), minor or trade.minor
        return trade

    def payment_notification(self, number: str, **changes: str) -> tuple[bytes, dict[str, str]]:
        """A notification of a trade: body and headers; `changes` replace parameters."""
        trade = self.ledger.trades[number]
        parameters = {
            "notify_time": self._time(self.clock.now()),
            "notify_type": "trade_status_sync",
            "notify_id": self.ledger.next_id("ac05099524730693a8b330c5ecf72da9"),
            "app_id": APP_ID,
            "charset": "utf-8",
            "version": "1.0",
            "seller_id": SELLER_ID,
            "buyer_id": "2088102116773037",
            "out_trade_no": number,
            "trade_no": trade.transaction_id,
            "trade_status": trade.status,
            "subject": "账户充值",
            "total_amount": minor_text(trade.minor, "CNY"),
            "receipt_amount": minor_text(trade.minor, "CNY"),
            "buyer_pay_amount": minor_text(trade.minor, "CNY"),
            "gmt_create": self._time(self.clock.now()),
            **({"gmt_payment": self._time(trade.paid_at)} if trade.paid_at else {}),
            **({"refund_fee": minor_text(trade.refunded, "CNY")} if trade.refunds else {}),
            **changes,
        }
        return self.notification(parameters)

    def notification(self, parameters: dict[str, str]) -> tuple[bytes, dict[str, str]]:
        """A signed notification as a form: body and headers."""
        filled = {name: value for name, value in parameters.items() if value}
        content = "&".join(f"{name}={value}" for name, value in sorted(filled.items()))
        signature = signed(ALIPAY, content.encode())
        body = urlencode({**filled, "sign": signature, "sign_type": "RSA2"}).encode()
        return body, {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}

    def call(self, parameters: dict[str, str]) -> dict[str, Any]:
        """Execute a method; raises Rejection."""
        asked = json.loads(parameters["biz_content"])
        match parameters["method"]:
            case "alipay.trade.precreate":
                return self._precreate(asked, parameters["notify_url"])
            case "alipay.trade.query":
                return self._trade_json(self._trade(asked))
            case "alipay.trade.close":
                return self._close(self._trade(asked))
            case "alipay.trade.refund":
                return self._refund(self._trade(asked), asked)
            case "alipay.trade.fastpay.refund.query":
                return self._refund_json(self._trade(asked), asked["out_request_no"])
        raise Rejection("isv.invalid-method")

    def _precreate(self, asked: dict[str, Any], notify_url: str) -> dict[str, Any]:
        number = asked["out_trade_no"]
        minor = minor_from_text(asked["total_amount"], "CNY")
        expires_at = datetime.fromisoformat(asked["time_expire"]).replace(tzinfo=BEIJING)
        trade = Trade(number, minor, expires_at, "WAIT_BUYER_PAY")
        if self.ledger.trades.setdefault(number, trade).minor != minor:
            raise Rejection("ACQ.CONTEXT_INCONSISTENT")
        self.notify_urls.append(notify_url)
        self.descriptions.append(asked["subject"])
        return {"out_trade_no": number, "qr_code": f"https://qr.alipay.com/bax{number[-10:]}"}

    def _trade(self, asked: dict[str, Any]) -> Trade:
        trade = self.ledger.trades.get(asked["out_trade_no"])
        if trade is None or trade.number not in self.scanned:
            raise Rejection("ACQ.TRADE_NOT_EXIST")
        return trade

    def _close(self, trade: Trade) -> dict[str, Any]:
        if trade.status != "WAIT_BUYER_PAY":
            raise Rejection("ACQ.TRADE_STATUS_ERROR")
        trade.status = "TRADE_CLOSED"
        return {"out_trade_no": trade.number}

    def _refund(self, trade: Trade, asked: dict[str, Any]) -> dict[str, Any]:
        number = asked["out_request_no"]
        minor = minor_from_text(asked["refund_amount"], "CNY")
        if trade.paid_at is None or trade.refunded + minor > trade.minor:
            if number not in trade.refunds:
                raise Rejection("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL")
        if number not in trade.refunds:
            now = self.clock.now()
            trade.refunds[number] = Refunded(number, trade.transaction_id, minor, "SUCCESS", now)
            if trade.refunded == trade.minor:
                trade.status = "TRADE_CLOSED"
        return {"out_trade_no": trade.number, "fund_change": "Y"}

    def _refund_json(self, trade: Trade, number: str) -> dict[str, Any]:
        refund = trade.refunds.get(number)
        if refund is None:
            return {}
        return {
            "trade_no": trade.transaction_id,
            "out_trade_no": trade.number,
            "out_request_no": number,
            "total_amount": minor_text(trade.minor, "CNY"),
            "refund_amount": minor_text(refund.minor, "CNY"),
            **({"refund_status": "REFUND_SUCCESS"} if refund.status == "SUCCESS" else {}),
        }

    def _trade_json(self, trade: Trade) -> dict[str, Any]:
        return {
            "out_trade_no": trade.number,
            "buyer_user_id": "2088102116773037",
            "trade_no": trade.transaction_id,
            "trade_status": trade.status,
            "total_amount": minor_text(trade.minor, "CNY"),
            **({"send_pay_date": self._time(trade.paid_at)} if trade.paid_at else {}),
        }

    @staticmethod
    def _time(moment: datetime) -> str:
        return f"{moment.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"


def _is_signed(parameters: dict[str, str]) -> bool:
    """Whether the application signed a request."""
    content = "&".join(
        f"{name}={value}" for name, value in sorted(parameters.items()) if name != "sign"
    )
    try:
        verifies(APPLICATION, b64decode(parameters.get("sign", "")), content.encode())
    except InvalidSignature:
        return False
    return parameters["app_id"] == APP_ID and parameters["sign_type"] == "RSA2"


@asynccontextmanager
async def run_fake_alipay(clock: Clock) -> AsyncIterator[FakeAlipay]:
    """Serve until the block ends."""
    fake = FakeAlipay(clock, Ledger(clock))

    async def gateway(request: web.Request) -> web.Response:
        parameters = {name: str(value) for name, value in (await request.post()).items()}
        fake.ledger.requests.append(parameters["method"])
        if fake.ledger.status != 200:
            return web.Response(status=fake.ledger.status)
        try:
            if not _is_signed(parameters):
                raise Rejection("isv.invalid-signature")
            if fake.ledger.rejection:
                raise Rejection(fake.ledger.rejection)
            answer = {"code": "10000", "msg": "Success", **fake.call(parameters)}
        except Rejection as error:
            answer = {"code": fake.code, "msg": "Business Failed", "sub_code": str(error)}
        content = json.dumps(answer, ensure_ascii=False)
        signature = signed(ALIPAY if fake.ledger.is_signed else APPLICATION, content.encode())
        name = f"{parameters['method'].replace('.', '_')}_response"
        return web.Response(
            text=f'{{"{name}":{content},"sign":"{signature}"}}',
            content_type="text/html",
            charset="utf-8",
        )

    app = web.Application()
    app.router.add_post("/gateway.do", gateway)
    async with listening(app) as url:
        fake.url = url
        yield fake
