"""`/v1/payment-pages`: links to Stripe-hosted setup and portal pages."""

from pathlib import Path

import httpx
import pytest

from billing.accounts.profiles import get_profile, update_profile
from tests.support import builders
from tests.support.builders import Gateway, run_gateway
from tests.support.fakes.stripe.running import FakeStripe, run_fake_stripe
from tests.support.fakes.upstream import FakeUpstream

BACK = "https://factory.example/billing"


async def ask(gateway: Gateway, **body: object) -> httpx.Response:
    return await gateway.http.post("/v1/payment-pages", json=body)


@pytest.fixture
def stripe_settings(
    database_url: str, tmp_path: Path, upstream: FakeUpstream
) -> tuple[str, Path, str]:
    return database_url, tmp_path, upstream.url


class TestPaymentPages:
    async def test_setup_and_portal_pages_use_one_stripe_customer(
        self, stripe_settings: tuple[str, Path, str]
    ) -> None:
        async with run_fake_stripe() as fake:
            configured = builders.settings(
                *stripe_settings, stripe_secret_key=fake.key, stripe_api_base=fake.url
            )
            async with run_gateway(configured) as gateway:
                async with gateway.parts.database.transaction() as session:
                    await update_profile(session, gateway.account.id, email="a@acme.example")
                first = await ask(gateway, page="setup", return_url=BACK)
                assert first.status_code == 200, first.text
                (made,) = fake.objects("checkout.session")
                assert made["url"] == first.json()["url"]
                assert (made["mode"], made["success_url"]) == ("setup", BACK)
                portal = await ask(gateway, page="portal", return_url=BACK)
                assert portal.json()["url"].startswith("http")
                await self._one_customer(gateway, fake)
                fake.down()
                away = await ask(gateway, page="portal", return_url=BACK)
                assert (away.status_code, away.json()["error"]["code"]) == (
                    503,
                    "stripe_unavailable",
                )

    async def _one_customer(self, gateway: Gateway, fake: FakeStripe) -> None:
        (customer,) = fake.objects("customer")
        assert customer["email"] == "a@acme.example"
        async with gateway.parts.database.transaction() as session:
            profile = await get_profile(session, gateway.account.id)
        assert profile.external_customer == customer["id"]

    async def test_payment_page_without_stripe_is_rejected_with_409(self, gateway: Gateway) -> None:
        answer = await ask(gateway, page="setup", return_url=BACK)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "stripe_not_used")

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"page": "setup", "return_url": "javascript:alert(1)"}, "return_url"),
            ({"page": "setup", "return_url": "http://["}, "return_url"),
            ({"page": "other", "return_url": BACK}, "page"),
            ({"page": "setup"}, "return_url"),
        ],
    )
    async def test_invalid_field_is_rejected_by_name(
        self, gateway: Gateway, body: dict[str, str], param: str
    ) -> None:
        answer = await ask(gateway, **body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)

    async def test_invalid_api_key_returns_401(self, gateway: Gateway) -> None:
        gateway.http.headers["authorization"] = "Bearer nothing"
        assert (await ask(gateway, page="setup", return_url=BACK)).status_code == 401
