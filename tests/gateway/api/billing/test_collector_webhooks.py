"""`/stripe/webhook`: events signed by Stripe are stored once; all other requests are rejected."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.billing.making import sql
from tests.support.builders import PLENTY, Gateway, Limited
from tests.support.fakes.stripe.deliveries import signature

SECRET = "whsec_of_this_endpoint"
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "type": "invoice.paid",
    "data": {"object": {"id": "in_1", "object": "invoice", "description": "账单"}},
}


@pytest.fixture
async def signed(limited: Limited) -> AsyncIterator[Gateway]:
    """A gateway with the webhook endpoint's signing secret."""
    async with limited(PLENTY, stripe_webhook_secret=SECRET) as running:
        yield running


async def post(
    gateway: Gateway,
    said: Any,
    secret: str = SECRET,
    age_s: float = 0,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """Post an event as Stripe does: signed, without an API key."""
    body = said if isinstance(said, bytes) else json.dumps(said, ensure_ascii=False).encode()
    at = int(time.time() - age_s)
    sent = {"stripe-signature": f"t={at},v1={signature(body, secret, at)}"}
    sent = sent if headers is None else headers
    async with httpx.AsyncClient(base_url=gateway.url) as http:
        return await http.post("/stripe/webhook", content=body, headers=sent)


async def kept(gateway: Gateway) -> list[Any]:
    query = "select id, kind, payload, handled_at from inbox order by id"
    return list(await sql(gateway.parts.database, query))


class TestAcceptedWebhookEvents:
    async def test_signed_event_is_stored_and_acknowledged(self, signed: Gateway) -> None:
        answer = await post(signed, EVENT)
        assert (answer.status_code, answer.json()) == (200, {"received": True})
        (row,) = await kept(signed)
        assert (row.id, row.kind, row.payload, row.handled_at) == (
            "evt_1",
            "invoice.paid",
            EVENT,
            None,
        )

    async def test_event_delivered_twice_is_stored_once(self, signed: Gateway) -> None:
        for _ in range(2):
            assert (await post(signed, EVENT)).status_code == 200
        assert len(await kept(signed)) == 1

    async def test_one_valid_signature_of_several_is_enough(self, signed: Gateway) -> None:
        """During secret rotation, Stripe signs each event with both secrets."""
        body, at = json.dumps(EVENT).encode(), int(time.time())
        both = [signature(body, secret, at) for secret in ("whsec_old", SECRET)]
        header = f"t={at},v1={both[0]},v1={both[1]}"
        answer = await post(signed, body, headers={"stripe-signature": header})
        assert answer.status_code == 200

    async def test_event_of_an_object_without_an_id_is_stored(self, signed: Gateway) -> None:
        """Stripe would retry a rejected event for three days."""
        said = {**EVENT, "type": "balance.available", "data": {"object": {"object": "balance"}}}
        assert (await post(signed, said)).status_code == 200
        assert [row.kind for row in await kept(signed)] == ["balance.available"]


class TestRejectedWebhookRequests:
    @pytest.mark.parametrize(
        ("said", "secret", "age_s"),
        [
            (EVENT, "whsec_another", 0),
            (EVENT, SECRET, 301),
            (EVENT, "", 0),
            (b"not JSON", SECRET, 0),
            (b"\xff\xfe\x00", SECRET, 0),
            (b"", SECRET, 0),
            (b"[]", SECRET, 0),
            (b"null", SECRET, 0),
            ({"id": "evt_1", "object": "event"}, SECRET, 0),
            ({"id": "evt_1", "object": "v2.core.event", "type": "v2.core"}, SECRET, 0),
            ({**EVENT, "data": {"object": "in_1"}}, SECRET, 0),
        ],
    )
    async def test_invalid_signature_or_body_is_rejected(
        self, signed: Gateway, said: Any, secret: str, age_s: float
    ) -> None:
        answer = await post(signed, said, secret, age_s)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "webhook_signature_invalid"
        assert await kept(signed) == []

    @pytest.mark.parametrize(
        "headers", [{}, {"stripe-signature": ""}, {"stripe-signature": "t=1,v1=ab"}]
    )
    async def test_missing_or_malformed_signature_is_rejected(
        self, signed: Gateway, headers: dict[str, str]
    ) -> None:
        answer = await post(signed, EVENT, headers=headers)
        assert answer.json()["error"]["code"] == "webhook_signature_invalid"

    async def test_signature_of_another_body_is_rejected(self, signed: Gateway) -> None:
        body, at = json.dumps(EVENT).encode(), int(time.time())
        header = {"stripe-signature": f"t={at},v1={signature(body, SECRET, at)}"}
        answer = await post(signed, body.replace(b"evt_1", b"evt_2"), headers=header)
        assert answer.status_code == 400

    async def test_body_over_one_mebibyte_is_rejected_with_413(self, signed: Gateway) -> None:
        """No Stripe event reaches one mebibyte; the rest of the body is not read."""
        answer = await post(signed, b"x" * (1 << 20) + b"x")
        assert answer.status_code == 413
        assert await kept(signed) == []

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
    async def test_method_other_than_post_returns_405(self, signed: Gateway, method: str) -> None:
        async with httpx.AsyncClient(base_url=signed.url) as http:
            answer = await http.request(method, "/stripe/webhook")
        assert answer.status_code == 405
        assert answer.json()["error"]["code"] == "method_not_allowed"

    @pytest.mark.parametrize("secret", ["", SECRET])
    async def test_event_is_rejected_when_no_webhook_secret_is_set(
        self, gateway: Gateway, secret: str
    ) -> None:
        """Without a configured secret no signature is valid, not even one with an empty secret."""
        answer = await post(gateway, EVENT, secret)
        assert answer.status_code == 400
        assert "MAAS_STRIPE_WEBHOOK_SECRET" in answer.json()["error"]["message"]
        assert await kept(gateway) == []
