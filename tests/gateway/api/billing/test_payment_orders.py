"""`/v1/payment_orders` and the providers' notifications over real sockets."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.builders import Gateway, Limited, customer
from tests.support.gateway.errors import error_of
from tests.support.gateway.payments import PaidGateway, run_paid_gateway

GONE = "pord_" + "0" * 32


@pytest.fixture
async def paid(
    limited: Limited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PaidGateway]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with run_paid_gateway(limited, tmp_path) as running:
        yield running


async def notify(
    gateway: Gateway, method: str, message: tuple[bytes, dict[str, str]]
) -> httpx.Response:
    """Send a notification as the provider does: without an API key."""
    body, headers = message
    async with httpx.AsyncClient(base_url=gateway.url) as http:
        path = f"/collectors/{method}/notifications"
        return await http.post(path, content=body, headers=headers)


async def metric(gateway: Gateway, text: str) -> bool:
    return text in (await gateway.http.get("/metrics")).text


async def test_top_up_is_created_paid_and_credited_once(paid: PaidGateway) -> None:
    gateway = paid.gateway
    for method, stand_in in (("wechat_pay", paid.wechat_pay), ("alipay", paid.alipay)):
        key = {"idempotency-key": f"top-up-{method}"}
        body = {"method": method, "amount": "20.00"}
        made = await gateway.http.post("/v1/payment_orders", json=body, headers=key)
        again = await gateway.http.post("/v1/payment_orders", json=body, headers=key)
        order = made.json()
        assert made.status_code == 200
        assert again.json() == order
        assert (order["status"], order["purpose"], order["amount"]) == (
            "pending",
            "top_up",
            "20.00",
        )
        number = order["id"].removeprefix("pord_")
        stand_in.pays(number)
        for _ in range(2):
            message = stand_in.payment_notification(number)
            answer = await notify(gateway, method, message)
            said = {"wechat_pay": '{"code":"SUCCESS","message":"OK"}', "alipay": "success"}
            assert (answer.status_code, answer.text) == (200, said[method])
        found = (await gateway.http.get(f"/v1/payment_orders/{order['id']}")).json()
        assert (found["status"], found["credited_to"], found["code_url"]) == (
            "paid",
            "wallet",
            None,
        )
    wallet = (await gateway.http.get("/v1/wallet")).json()
    assert wallet["balance"] == "40.00"
    listed = (await gateway.http.get("/v1/payment_orders?limit=1")).json()
    assert ([one["method"] for one in listed["data"]], listed["has_more"]) == (["alipay"], True)
    after = listed["data"][0]["id"]
    rest = (await gateway.http.get(f"/v1/payment_orders?after={after}")).json()
    assert [one["method"] for one in rest["data"]] == ["wechat_pay"]
    counted = 'maas_payment_notifications_total{method="alipay",outcome="credited"} 1.0'
    assert await metric(gateway, counted)


async def test_forged_and_unexpected_requests_are_refused(paid: PaidGateway) -> None:
    gateway = paid.gateway
    for method in ("wechat_pay", "alipay"):
        answer = await notify(gateway, method, (b"{}", {}))
        assert (answer.status_code, error_of(answer)["code"]) == (400, "webhook_signature_invalid")
    refusals = [
        ({"method": "wechat_pay"}, 400, "invalid_value"),
        ({"method": "wechat_pay", "amount": "1.00", "invoice": "inv_1"}, 400, "invalid_value"),
        ({"method": "wechat_pay", "amount": "0.99"}, 400, "top_up_invalid"),
        ({"method": "wechat_pay", "amount": "ten"}, 400, "top_up_invalid"),
        ({"method": "cash", "amount": "10.00"}, 400, "payment_method_unavailable"),
        ({"method": "alipay", "invoice": "inv_1"}, 404, "invoice_not_found"),
        ({"method": "alipay", "invoice": "inv_" + "0" * 32}, 404, "invoice_not_found"),
    ]
    for body, status, code in refusals:
        answer = await gateway.http.post("/v1/payment_orders", json=body)
        assert (answer.status_code, error_of(answer)["code"]) == (status, code), body
    paid.alipay.ledger.status = 503
    body = {"method": "alipay", "amount": "10.00"}
    answer = await gateway.http.post("/v1/payment_orders", json=body)
    assert (answer.status_code, error_of(answer)["code"]) == (503, "payment_provider_unavailable")
    paid.alipay.ledger.status, paid.alipay.ledger.rejection = 200, "NO_AUTH"
    answer = await gateway.http.post("/v1/payment_orders", json=body)
    assert "rejected" in error_of(answer)["message"]


async def test_order_is_cancelled_and_seen_by_its_own_account_only(paid: PaidGateway) -> None:
    gateway = paid.gateway
    body = {"method": "wechat_pay", "amount": "20.00"}
    order = (await gateway.http.post("/v1/payment_orders", json=body)).json()
    address = f"/v1/payment_orders/{order['id']}"
    _, key = await customer(gateway.parts.database, gateway.parts.settings, "Other")
    other = {"authorization": f"Bearer {key.secret}"}
    for answer in (
        await gateway.http.get(address, headers=other),
        await gateway.http.post(f"{address}/cancel", headers=other),
        await gateway.http.get(f"/v1/payment_orders/{GONE}"),
        await gateway.http.get("/v1/payment_orders/x"),
    ):
        assert (answer.status_code, error_of(answer)["code"]) == (404, "payment_order_not_found")
    for _ in range(2):
        cancelled = (await gateway.http.post(f"{address}/cancel")).json()
        assert (cancelled["status"], cancelled["code_url"]) == ("closed", None)
