"""Forms with several invalid fields: all errors are shown at once, each beside its field."""

import re

import pytest

from gateway.identity.roles import Role
from infra import ids
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import client, looker


@pytest.fixture(scope="module")
def office(shared_office: Firm) -> Firm:
    """Shared by all tests of this module: invalid forms change nothing."""
    return shared_office


def wrong_fields(page: str) -> list[str]:
    """Names of the fields marked as invalid, after checking that each has its error beside it."""
    found = re.findall(r'<(?:input|select|textarea) id="(\w+)"[^>]*aria-invalid="true"', page)
    for name in found:
        assert f'class="error" id="{name}-about"' in page
        assert re.search(rf'id="{name}"[^>]*aria-describedby="{name}-about"', page)
    return found


async def test_key_form_shows_all_errors(office: Firm) -> None:
    said = {"name": "", "budget": "much", "requests": "-1", "tokens": "1e9", "streams": "9" * 13}
    key = ids.format_id("key", ids.new_id())
    answer = await office.owner.send("/dashboard/keys", id=key, networks="nowhere", **said)
    assert answer.status_code == 422
    assert wrong_fields(answer.text) == [*said, "networks"]


async def test_key_limits_form_shows_all_errors(office: Firm) -> None:
    address = f"/dashboard/keys/key_{office.gateway.key.row.id.hex}/limits"
    answer = await office.owner.send(address, budget="9999999999999", requests="x", tokens="y")
    assert answer.status_code == 422
    assert wrong_fields(answer.text) == ["budget", "requests", "tokens"]


async def test_alerts_form_shows_all_errors_and_keeps_input(office: Firm) -> None:
    said = {"percentages": "0", "email": "nobody", "url": "http://10.0.0.1/"}
    answer = await office.owner.send("/dashboard/limits/alerts", **said)
    assert answer.status_code == 422
    assert wrong_fields(answer.text) == list(said)
    for value in said.values():
        assert f'value="{value}"' in answer.text


async def test_alerts_form_shows_dns_error_with_the_other_errors(office: Firm) -> None:
    said = {"percentages": "0", "email": "nobody", "url": "https://missing.example/"}
    answer = await office.owner.send("/dashboard/limits/alerts", **said)
    assert wrong_fields(answer.text) == list(said)
    assert "does not exist or has no address" in answer.text


async def test_invitation_form_shows_all_errors(office: Firm) -> None:
    answer = await office.owner.send("/dashboard/team/invitations", email="x", role="king")
    assert answer.status_code == 422
    assert wrong_fields(answer.text)[0] == "email"
    assert "Select a role." in answer.text


async def test_password_form_shows_all_errors_without_the_password(office: Firm) -> None:
    answer = await office.owner.send("/dashboard/me/password", old_password="x", password="short")
    assert answer.status_code == 422
    assert wrong_fields(answer.text) == ["old_password", "password"]
    assert 'value="short"' not in answer.text


async def test_credit_limit_form_shows_all_errors(office: Firm) -> None:
    gateway = office.gateway
    account = ids.format_id("acct", gateway.account.id)
    address = f"/dashboard/platform/accounts/{account}/credit-limit"
    async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as operator:
        answer = await operator.send(address, amount="many", reason="")
    assert answer.status_code == 422
    assert sorted(wrong_fields(answer.text)) == ["amount", "reason"]


async def test_join_form_shows_all_errors(office: Firm) -> None:
    invited = await office.owner.send(
        "/dashboard/team/invitations", email="wu@acme.example", role="viewer"
    )
    link = re.search(r"/dashboard/invitation/[\w-]+", invited.text)
    assert link is not None
    async with client(office.gateway.url) as nobody:
        answer = await nobody.post(link[0], data={"name": "", "password": "short"})
    assert answer.status_code == 422
    assert wrong_fields(answer.text) == ["name", "password"]
