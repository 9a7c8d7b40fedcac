"""Payment orders of a gateway's account, and a gateway with stand-ins for both providers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from billing.collection.payments.results import OrderState
from billing.tables import PaymentOrder
from infra import ids
from infra.clock import Clock, SystemClock
from tests.support.builders import PLENTY, Gateway, Limited
from tests.support.fakes.payments.alipay import FakeAlipay, run_fake_alipay
from tests.support.fakes.payments.wechat_pay import FakeWeChatPay, run_fake_wechat_pay
from tests.support.stories.payment_story import payment_settings


@dataclass
class PaidGateway:
    """A gateway whose customers pay by WeChat Pay and Alipay."""

    gateway: Gateway
    wechat_pay: FakeWeChatPay
    alipay: FakeAlipay


@asynccontextmanager
async def run_paid_gateway(
    limited: Limited, keys_dir: Path, clock: Clock | None = None
) -> AsyncIterator[PaidGateway]:
    """Serve a gateway and both stand-ins until the block ends."""
    clock = clock or SystemClock()
    async with run_fake_wechat_pay(clock) as wechat_pay, run_fake_alipay(clock) as alipay:
        # Not HTTPS, so that browsers without it keep their session.
        values = {
            **payment_settings(wechat_pay, alipay, keys_dir),
            "public_url": "http://maas.example",
        }
        async with limited(PLENTY, clock=clock, **values) as gateway:
            yield PaidGateway(gateway, wechat_pay, alipay)


async def create_payment_order(gateway: Gateway) -> str:
    """Insert a top-up that waits for its payment; returns its public id."""
    order_id, now = ids.new_id(), gateway.parts.clock.now()
    order = PaymentOrder(
        id=order_id,
        account_id=gateway.account.id,
        method="wechat_pay",
        minor=123_456_789_00,
        currency="CNY",
        number=order_id.hex,
        state=OrderState.PENDING.value,
        code="weixin://wxpay/bizpayurl?pr=0123456789",
        created_at=now,
        expires_at=now,
    )
    async with gateway.parts.database.transaction() as session:
        session.add(order)
    return ids.format_id("pord", order_id)
