"""Passkeys on the pages: created, used and removed by the requests of the pages' script."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.identity.roles import Role
from tests.support.builders import Gateway, run_gateway, settings
from tests.support.dashboard.looking import Looker, client, looker, words
from tests.support.gateway.authenticator import Authenticator

HOST, ORIGIN = "localhost", "http://localhost:8080"


@dataclass
class Place:
    """A gateway with a public host name, a person with a session, and a browser without one."""

    gateway: Gateway
    person: Looker
    browser: httpx.AsyncClient

    async def creates(self, device: Authenticator) -> httpx.Response:
        return await self._performs(
            self.person.http,
            "/dashboard/me/passkeys",
            device.create,
            {"x-csrf-token": self.person.csrf},
        )

    async def signs_in(self, device: Authenticator) -> httpx.Response:
        return await self._performs(self.browser, "/dashboard/sign-in/passkey", device.sign, {})

    async def _performs(
        self, http: httpx.AsyncClient, address: str, answers: Any, headers: dict[str, str]
    ) -> httpx.Response:
        options = await http.post(f"{address}/options", json={}, headers=headers)
        assert options.status_code == 200, options.text
        body = {"name": "Office PC", "credential": answers(options.json())}
        return await http.post(f"{address}?next=/dashboard/usage", json=body, headers=headers)


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    configured = settings(
        database_url, tmp_path, "http://127.0.0.1:9", dashboard=True, public_url=ORIGIN
    )
    async with (
        run_gateway(configured) as gateway,
        looker(gateway.url, gateway.parts, gateway.account.id, Role.OWNER) as person,
        client(gateway.url) as browser,
    ):
        yield Place(gateway, person, browser)


async def test_passkey_is_created_used_and_removed(place: Place) -> None:
    device = Authenticator(ORIGIN, HOST)
    assert "Sign in with a passkey" in (await place.browser.get("/dashboard/sign-in")).text
    created = await place.creates(device)
    assert created.json() == {"next": "/dashboard/me?done=passkey"}
    said = words(await place.person.page("/dashboard/me?done=passkey"))
    assert "Passkey saved." in said
    assert "Office PC" in said
    signed_in = await place.signs_in(device)
    assert signed_in.json() == {"next": "/dashboard/usage"}
    assert "Li Xuemei" in (await place.browser.get("/dashboard")).text
    page = await place.person.page("/dashboard/me")
    address = page.partition('action="/dashboard/me/passkeys/')[2].partition('"')[0]
    removed = await place.person.send(f"/dashboard/me/passkeys/{address}")
    assert removed.headers["location"] == "/dashboard/me?done=passkey_removed"
    assert (await place.signs_in(device)).status_code == 401


async def test_refusal_names_its_code_and_opens_no_session(place: Place) -> None:
    device = Authenticator("https://evil.example", HOST)
    refused = await place.creates(device)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "passkey_refused")
    unknown = await place.signs_in(Authenticator(ORIGIN, HOST))
    assert unknown.json()["error"]["code"] == "passkey_refused"
    assert "maas_session" not in place.browser.cookies
    malformed = await place.browser.post("/dashboard/sign-in/passkey", content=b"{")
    assert malformed.status_code == 401


async def test_creation_needs_a_session_and_the_token_of_the_page(place: Place) -> None:
    address = "/dashboard/me/passkeys/options"
    assert (await place.person.http.post(address, json={})).status_code == 403
    assert (await place.browser.post(address, json={})).status_code == 303
    strange = await place.person.send("/dashboard/me/passkeys/!/remove")
    assert strange.status_code == 303


async def test_gateway_without_a_host_name_offers_no_passkeys(
    database_url: str, tmp_path: Path
) -> None:
    configured = settings(database_url, tmp_path, "http://127.0.0.1:9", dashboard=True)
    async with run_gateway(configured) as gateway, client(gateway.url) as browser:
        assert "passkey" not in (await browser.get("/dashboard/sign-in")).text
        refused = await browser.post("/dashboard/sign-in/passkey/options", json={})
        assert (refused.status_code, refused.json()["error"]["code"]) == (
            404,
            "passkeys_unavailable",
        )
