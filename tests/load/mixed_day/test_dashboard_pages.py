"""Pages are read as our own dashboard writes them: making and rotating a key, as a browser does."""

from collections.abc import AsyncIterator

import pytest

from load.mixed_day.dashboard_pages import (
    PAGES,
    PageUnexpected,
    api_key_secret,
    created_key_id,
    csrf_token,
    is_signed_in,
    new_key_id,
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
            assert csrf_token(asked) == owner.csrf
            fields = {"id": new_key_id(asked), "name": "under load"}
            made = (await owner.send("/dashboard/keys", **fields)).text
            assert created_key_id(made) == fields["id"]
            address = f"/dashboard/keys/{fields['id']}/rotate"
            rotated = (await owner.send(address, overlap="1")).text
            assert created_key_id(rotated) != fields["id"]
            for secret in (api_key_secret(made), api_key_secret(rotated)):
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
            api_key_secret(page)
