"""Pages are read as our own dashboard writes them: making and rotating a key, as a browser does."""

from collections.abc import AsyncIterator

import pytest

from load.mixed_day.dashboard_pages import (
    PAGES,
    PageUnexpected,
    is_signed_in,
    key_made,
    new_key_of,
    secret_of,
    token_of,
)
from tests.support.builders import PLENTY, Gateway, Limited
from tests.support.dashboard.looking import client, looker


@pytest.fixture
async def gateway(limited: Limited) -> AsyncIterator[Gateway]:
    """One that has the dashboard."""
    async with limited(PLENTY, dashboard=True) as running:
        yield running


class TestPages:
    async def test_a_key_is_made_and_rotated(self, gateway: Gateway) -> None:
        async with looker(gateway.url, gateway.parts, gateway.account.id) as owner:
            asked = await owner.page("/dashboard/keys/new")
            assert token_of(asked) == owner.csrf
            fields = {"id": new_key_of(asked), "name": "under load"}
            made = (await owner.send("/dashboard/keys", **fields)).text
            assert key_made(made) == fields["id"]
            address = f"/dashboard/keys/{fields['id']}/rotate"
            rotated = (await owner.send(address, overlap="1")).text
            assert key_made(rotated) != fields["id"]
            for secret in (secret_of(made), secret_of(rotated)):
                headers = {"authorization": f"Bearer {secret}"}
                answer = await gateway.http.get("/v1/models", headers=headers)
                assert answer.status_code == 200

    async def test_pages_of_a_day_are_there(self, gateway: Gateway) -> None:
        async with looker(gateway.url, gateway.parts, gateway.account.id) as owner:
            for address in PAGES:
                assert is_signed_in((await owner.http.get(address, follow_redirects=True)).text)

    async def test_who_is_not_signed_in_is_told_apart(self, gateway: Gateway) -> None:
        async with client(gateway.url) as http:
            page = (await http.get("/dashboard/keys", follow_redirects=True)).text
        assert not is_signed_in(page)
        with pytest.raises(PageUnexpected):
            secret_of(page)
