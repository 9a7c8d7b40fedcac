"""The page on which an owner creates the account's admin keys."""

import re

import pytest

from gateway.identity.roles import Role
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker
from tests.support.gateway.admin_keys import admin_client, issue

KEYS = "/dashboard/admin-keys"


@pytest.fixture(scope="module")
def firm(shared_firm: Firm) -> Firm:
    """Shared by all tests of this module."""
    return shared_firm


async def test_first_admin_key_is_created_once_used_and_revoked(firm: Firm) -> None:
    owner = firm.owner
    page = await owner.page(KEYS)
    assert "No admin keys yet" in page
    assert KEYS in await owner.page("/dashboard/keys")
    found = re.search(r'name="id" value="(admk_\w+)"', page)
    assert found is not None
    form = {"id": found[1], "name": "portal", "days": "90", "networks": ""}
    wrong = await owner.send(KEYS, **{**form, "networks": "nowhere"})
    assert (wrong.status_code, 'id="networks-about"' in wrong.text) == (422, True)
    made = await owner.send(KEYS, **form)
    secret = re.search(r"maas_admin_\w+", made.text)
    assert secret is not None
    assert "/v1/organization/users" in made.text
    assert (await owner.send(KEYS, **form)).headers["location"] == KEYS
    async with admin_client(firm.gateway, secret[0]) as http:
        assert (await http.get("/v1/organization/users")).status_code == 200
        assert (await http.get("/v1/admin/accounts")).status_code == 401
        await owner.send(f"{KEYS}/{found[1]}/revoke")
        assert (await http.get("/v1/organization/users")).status_code == 401
    assert "Revoked" in await owner.page(KEYS)
    assert (await owner.send(KEYS, **{**form, "days": "9999"})).status_code == 404


async def test_key_of_the_platform_is_not_revoked_by_an_owner(firm: Firm) -> None:
    key = await issue(firm.gateway)
    answer = await firm.owner.send(f"{KEYS}/admk_{key.row.id.hex}/revoke")
    assert answer.status_code == 404
    assert key.row.hint not in await firm.owner.page(KEYS)


async def test_developer_cannot_see_or_create_admin_keys(firm: Firm) -> None:
    gateway = firm.gateway
    async with looker(gateway.url, gateway.parts, gateway.account.id, Role.DEVELOPER) as one:
        await one.page(KEYS, 403)
        assert KEYS not in await one.page("/dashboard/keys")
        assert (await one.send(KEYS, name="portal", days="90")).status_code == 403
