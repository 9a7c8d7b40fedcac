"""The operator refunds a payment once and resolves a discrepancy on the pages."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.identity.roles import Role
from tests.support.builders import Limited
from tests.support.dashboard.looking import looker
from tests.support.gateway.payments import PaidGateway, run_paid_gateway

_PAGE = "/dashboard/platform/payments"


@pytest.fixture
async def paid(
    limited: Limited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PaidGateway]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with run_paid_gateway(limited, tmp_path) as running:
        yield running


async def _order(paid: PaidGateway, received: int) -> str:
    """An order of a top-up of 20.00 by WeChat Pay, of which so much was received."""
    http = paid.gateway.http
    body = {"method": "wechat_pay", "amount": "20.00"}
    order: str = (await http.post("/v1/payment_orders", json=body)).json()["id"]
    number = order.removeprefix("pord_")
    paid.wechat_pay.pays(number, received)
    content, headers = paid.wechat_pay.payment_notification(number)
    await http.post("/collectors/wechat_pay/notifications", content=content, headers=headers)
    return order


async def test_operator_refunds_and_resolves_on_the_pages(paid: PaidGateway) -> None:
    order, _ = await _order(paid, 2_000), await _order(paid, 1_999)
    gateway = paid.gateway
    async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as who:
        form = f"{_PAGE}/{order}/refund"
        key = re.search(r'name="key" value="(\w+)"', await who.page(form))
        assert key is not None
        values = {"key": key[1], "reason": "goodwill"}
        for amount in ("much", "20.01"):
            assert (await who.send(form, **values, amount=amount)).status_code == 422
        for _ in range(2):
            assert (await who.send(form, **values, amount="5.00")).status_code == 303
        assert (await who.send(form, **values, amount="6.00")).status_code == 422
        discrepancy = re.search(r"pdis_\w+", await who.page(_PAGE))
        assert discrepancy is not None
        resolve = f"{_PAGE}/discrepancies/{discrepancy[0]}"
        assert "Another amount" in await who.page(resolve)
        assert (await who.send(resolve, reason="")).status_code == 422
        assert (await who.send(resolve, reason="agreed", credit="1")).status_code == 303
        assert (await who.send(resolve, reason="again")).status_code == 422
        assert discrepancy[0] not in await who.page(_PAGE)
        assert (await who.send(f"{_PAGE}/pord_{'0' * 32}/refund", **values)).status_code == 404
    wallet = (await gateway.http.get("/v1/wallet")).json()
    assert wallet["balance"] == "34.99"  # 20.00 - 5.00 + 19.99
    async with looker(gateway.url, gateway.parts, None, Role.SUPPORT) as support:
        assert (await support.send(resolve, reason="x")).status_code == 403
