"""The load test's page parsing, with the real dashboard: creating and rotating keys, sign-in."""

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
from tests.support.nightly import nightly

pytestmark = nightly


@pytest.fixture
async def gateway(limited: Limited) -> AsyncIterator[Gateway]:
    """A gateway with the dashboard."""
    async with limited(PLENTY, dashboard=True) as running:
        yield running


class TestDashboardPages:
    async def test_created_and_rotated_keys_are_read_from_the_pages(self, gateway: Gateway) -> None:
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

    async def test_all_pages_of_the_load_test_exist(self, gateway: Gateway) -> None:
        async with looker(gateway.url, gateway.parts, gateway.account.id) as owner:
            for address in PAGES:
                assert is_signed_in((await owner.http.get(address, follow_redirects=True)).text)

    async def test_page_without_a_session_is_recognized(self, gateway: Gateway) -> None:
        async with client(gateway.url) as http:
            page = (await http.get("/dashboard/keys", follow_redirects=True)).text
        assert not is_signed_in(page)
        with pytest.raises(PageUnexpected):
            api_key_secret(page)
