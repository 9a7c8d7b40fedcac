"""Passkeys in a browser with a virtual device: created on the profile, used on the sign-in page."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.identity.roles import Role
from tests.support.builders import Emptying, Gateway, run_gateway, settings
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.looking import Looker, looker

pytestmark = NEEDS_BROWSER
LOOK = ("zh-CN", "light", 1440)
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
}


@pytest.fixture
async def named(
    database_url: str, emptying: Emptying, tmp_path: Path
) -> AsyncIterator[tuple[Gateway, Looker, str]]:
    """A gateway that browsers reach by a host name, a person, and this address.

    The application of the first gateway serves the second at the same port.
    """
    plain = settings(database_url, tmp_path, "http://127.0.0.1:9", dashboard=True)
    async with run_gateway(plain) as first:
        origin = f"http://localhost:{urlsplit(first.url).port}"
    emptying()
    configured = plain.model_copy(update={"public_url": origin})
    async with (
        run_gateway(configured) as gateway,
        looker(gateway.url, gateway.parts, gateway.account.id, Role.OWNER) as person,
    ):
        assert urlsplit(gateway.url).port == urlsplit(origin).port
        yield gateway, person, origin


async def test_passkey_is_created_and_signs_in(
    named: tuple[Gateway, Looker, str], browser: Windows
) -> None:
    _, person, origin = named
    async with looked(browser, origin, LOOK, person) as seen:
        page = seen.page
        devices = await page.context.new_cdp_session(page)
        await devices.send("WebAuthn.enable")
        await devices.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
        await seen.opens("/dashboard/me")
        assert await seen.faults() == []
        await page.fill("#passkey-name", "车间平板")
        await page.click("#passkey-create")
        await page.wait_for_url("**/me?done=passkey")
        assert "车间平板" in await page.content()
        await page.context.clear_cookies()
        await seen.opens("/dashboard/sign-in?next=/dashboard/usage")
        assert await seen.faults() == []
        await page.click("#passkey-sign-in")
        await page.wait_for_url("**/dashboard/usage")
