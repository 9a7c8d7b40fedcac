"""`/v1/subscription`, `/v1/plans` and `/v1/wallet` over a real socket."""

from typing import Any

import pytest

from billing.ledger.wallets import TopUpRequest, top_up_wallet
from tests.support.builders import CHAT, Gateway, customer
from tests.support.gateway.subscribing import LARGE, SMALL, choose, offer


class TestPlanChoice:
    async def test_upgrade_is_immediate_and_downgrade_is_scheduled(self, gateway: Gateway) -> None:
        await offer(gateway, SMALL, LARGE)
        assert (await gateway.http.get("/v1/subscription")).json()["status"] == "none"
        plans = (await gateway.http.get("/v1/plans")).json()["data"]
        assert [plan["plan"] for plan in plans] == ["large", "small"]
        preview = (await choose(gateway, "small", preview=True, key="p-1")).json()
        assert (preview["object"], preview["takes_effect"]) == ("subscription.preview", "now")
        assert (await gateway.http.get("/v1/subscription")).json()["status"] == "none"
        taken = (await choose(gateway, "small")).json()
        assert (taken["status"], taken["plan"]["plan"]) == ("active", "small")
        invoice = (await gateway.http.get(f"/v1/invoices/{taken['invoices'][0]}")).json()
        assert invoice["total"] == preview["total"]
        up = (await choose(gateway, "large", key="k-2")).json()
        assert (up["plan"]["plan"], len(up["invoices"])) == ("large", 1)
        down = (await choose(gateway, "small", key="k-3")).json()
        assert (down["plan"]["plan"], down["following"]["plan"]) == ("large", "small")

    async def test_choosing_the_current_plan_creates_no_second_invoice(
        self, gateway: Gateway
    ) -> None:
        await offer(gateway, SMALL)
        first = (await choose(gateway, "small")).json()
        again = await choose(gateway, "small", key="k-2")
        assert (again.status_code, again.json()["invoices"]) == (200, [])
        assert again.json()["id"] == first["id"]
        assert len((await gateway.http.get("/v1/invoices")).json()["data"]) == 1

    async def test_plan_price_applies_to_calls_after_the_choice(self, gateway: Gateway) -> None:
        own = f"""[[price]]
model = "{CHAT}"
meter = "output_tokens"
price = "0.001"
"""
        await offer(gateway, SMALL + own)
        await choose(gateway, "small")
        for _ in range(200):
            answer = await gateway.chat("one")
            if answer.headers["x-maas-cost"] == "0.005000000":
                break
        assert answer.headers["x-maas-cost"] == "0.005000000"

    @pytest.mark.parametrize(
        ("body", "status", "code", "param"),
        [
            ({"plan": "nope"}, 404, "plan_not_found", "plan"),
            ({"plan": "list"}, 404, "plan_not_found", "plan"),
            ({"plan": 3}, 400, "invalid_value", "plan"),
            ({"plan": "small", "previw": True}, 400, "invalid_value", "previw"),
            ({}, 400, "invalid_value", "plan"),
        ],
    )
    async def test_invalid_or_unknown_plan_is_rejected(
        self, gateway: Gateway, body: dict[str, Any], status: int, code: str, param: str
    ) -> None:
        answer = await gateway.http.post("/v1/subscription", json=body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code)
        assert error["param"] == param

    async def test_malformed_json_is_rejected_with_400(self, gateway: Gateway) -> None:
        answer = await gateway.http.post(
            "/v1/subscription", content=b"{", headers={"content-type": "application/json"}
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")

    async def test_plan_in_another_currency_is_not_available(self, gateway: Gateway) -> None:
        await offer(gateway, SMALL.replace("CNY", "USD"))
        assert (await gateway.http.get("/v1/plans")).json()["data"] == []
        assert (await choose(gateway, "small")).json()["error"]["code"] == "plan_not_found"


class TestSubscriptionCancellation:
    async def test_cancellation_at_period_end_can_be_resumed_once(self, gateway: Gateway) -> None:
        await offer(gateway, SMALL)
        await choose(gateway, "small")
        left = (await gateway.http.post("/v1/subscription/cancel")).json()
        assert (left["status"], left["ends_at"]) == ("active", left["paid_until"])
        back = (await gateway.http.post("/v1/subscription/resume")).json()
        assert back["ends_at"] is None
        again = await gateway.http.post("/v1/subscription/resume")
        assert (again.status_code, again.json()["error"]["code"]) == (409, "nothing_to_resume")

    async def test_immediate_cancellation_ends_the_subscription(self, gateway: Gateway) -> None:
        await offer(gateway, SMALL)
        await choose(gateway, "small")
        path, body = "/v1/subscription/cancel", {"at_period_end": False}
        assert (await gateway.http.post(path, json=body)).json()["status"] == "none"
        again = await gateway.http.post(path, json=body)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "not_subscribed")


class TestSubscriptionPause:
    async def test_pause_is_scheduled_and_undone(self, gateway: Gateway) -> None:
        await offer(gateway, SMALL)
        await choose(gateway, "small")
        paused = (await gateway.http.post("/v1/subscription/pause")).json()
        assert (paused["status"], paused["pause"]) == (
            "active",
            {"starts_at": paused["paid_until"], "resumes_at": None},
        )
        assert (await gateway.http.post("/v1/subscription/resume")).json()["pause"] is None

    @pytest.mark.parametrize(
        "resumes_at", ["2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "2026-12-16", 7]
    )
    async def test_invalid_time_is_rejected_and_names_the_field(
        self, gateway: Gateway, resumes_at: Any
    ) -> None:
        await offer(gateway, SMALL)
        await choose(gateway, "small")
        answer = await gateway.http.post("/v1/subscription/pause", json={"resumes_at": resumes_at})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (
            400,
            "invalid_value",
            "resumes_at",
        )


async def test_wallet_shows_only_the_grants_of_the_account(gateway: Gateway) -> None:
    parts = gateway.parts
    other, _ = await customer(parts.database, parts.settings, "Other")
    for account, minor in ((gateway.account, 50_00), (other, 7_00)):
        async with parts.database.transaction() as session:
            await top_up_wallet(session, parts.clock, account.id, "bank-1", TopUpRequest(minor))
    wallet = (await gateway.http.get("/v1/wallet")).json()
    assert (wallet["object"], wallet["balance"], wallet["currency"]) == ("wallet", "50.00", "CNY")
    assert [grant["left"] for grant in wallet["grants"]] == ["50.00"]
