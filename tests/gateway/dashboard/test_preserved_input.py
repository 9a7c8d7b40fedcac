"""Form input after session expiry: restored after sign-in, for the same person only."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gateway.dashboard.preserved_input import PreservedFields
from gateway.dashboard.router import HANDLERS
from gateway.identity.roles import Role
from gateway.identity.saved_input import MAX_BYTES
from gateway.identity.sessions import create_session
from infra import ids
from tests.gateway.dashboard.door import PASSWORD, Door
from tests.support.billing.making import sql
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import PLACE, Looker, client, looker

ALERTS = "/dashboard/limits/alerts"
INPUT = {"percentages": "33, 66", "email": "wu@acme.example", "url": "https://hooks.acme.example/q"}
NOTE = "Your session expired. Check your input and submit it again."
LOST = "Your session expired and your input was too long to save. Enter it again."
# Names of fields that hold secrets and are never stored.
SECRETS = {"password", "old_password", "code", "ticket", "secret", "csrf", "token"}


@pytest.fixture
async def door(office: Firm) -> AsyncIterator[Door]:
    """A person with a password, signed in."""
    async with client(office.gateway.url) as http:
        door = Door(office.gateway, http)
        await door.accepted()
        yield door


def passes(firm: Firm, **time: float) -> None:
    firm.clock.to(firm.clock.now() + timedelta(**time))


async def token(http: httpx.AsyncClient) -> str:
    found = re.search(r'name="csrf" content="([^"]+)"', (await http.get("/dashboard")).text)
    assert found is not None
    return found[1]


async def expired(office: Firm, door: Door, **headers: str) -> httpx.Response:
    """Submit the alerts form 13 hours after its page was opened."""
    csrf = await token(door.http)
    passes(office, hours=13)
    return await door.http.post(ALERTS, data={"csrf": csrf, **INPUT}, headers=headers)


def after_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["next"][0]


def shown(page: str) -> dict[str, str]:
    """Values of the form fields on the page."""
    found = {name: re.search(rf'<input id="{name}"[^>]*\bvalue="([^"]*)"', page) for name in INPUT}
    return {name: unescape(one[1]) if one else "" for name, one in found.items()}


async def kept_rows(firm: Firm) -> int:
    rows = await sql(firm.gateway.parts.database, "select count(*) as n from kept_input")
    return int(rows[0].n)


async def alerts_url(firm: Firm) -> str | None:
    url: str | None = (await firm.gateway.http.get("/v1/alerts")).json()["url"]
    return url


class TestExpiredSession:
    async def test_form_is_restored_after_sign_in_without_being_submitted(
        self, office: Firm, door: Door
    ) -> None:
        answer = await expired(office, door)
        assert answer.status_code == 303
        address = answer.headers["location"]
        assert (urlsplit(address).path, after_of(address)) == (
            "/dashboard/sign-in",
            "/dashboard/limits",
        )
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("maas_kept=")
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        sign_in = (await door.http.get(address)).text
        assert "Sign in to return to your form." in sign_in
        assert INPUT["url"] not in sign_in
        entered = await door.signs_in(next=after_of(address))
        assert entered.headers["location"] == "/dashboard/limits"
        assert await alerts_url(office) is None
        page = (await door.http.get("/dashboard/limits")).text
        assert NOTE in page
        assert shown(page) == INPUT
        # The form has the CSRF token of the new session, so it can be submitted.
        csrf = await token(door.http)
        assert csrf in page
        await door.http.post(ALERTS, data={"csrf": csrf, **shown(page)})
        assert await alerts_url(office) == INPUT["url"]

    async def test_preserved_input_is_shown_once(self, office: Firm, door: Door) -> None:
        await expired(office, door)
        await door.signs_in()
        assert NOTE in (await door.http.get("/dashboard/limits")).text
        assert "maas_kept" not in door.http.cookies
        again = (await door.http.get("/dashboard/limits")).text
        assert NOTE not in again
        assert shown(again)["url"] == ""
        assert await kept_rows(office) == 0

    async def test_htmx_request_is_redirected_to_sign_in(self, office: Firm, door: Door) -> None:
        answer = await expired(office, door, **{"hx-request": "true"})
        assert after_of(answer.headers["hx-redirect"]) == "/dashboard/limits"
        await door.signs_in()
        assert shown((await door.http.get("/dashboard/limits")).text) == INPUT

    async def test_preserved_input_expires_after_30_minutes(self, office: Firm, door: Door) -> None:
        await expired(office, door)
        passes(office, minutes=31)
        await door.signs_in()
        page = (await door.http.get("/dashboard/limits")).text
        assert NOTE not in page
        assert shown(page)["url"] == ""

    async def test_other_pages_do_not_show_preserved_input(self, office: Firm, door: Door) -> None:
        await expired(office, door)
        await door.signs_in()
        for address in ("/dashboard", "/dashboard/me", "/dashboard/team"):
            page = (await door.http.get(address)).text
            assert NOTE not in page
            assert INPUT["url"] not in page
        assert shown((await door.http.get("/dashboard/limits")).text) == INPUT

    async def test_oversized_input_is_not_stored_and_page_reports_the_loss(
        self, office: Firm, door: Door
    ) -> None:
        csrf = await token(door.http)
        passes(office, hours=13)
        long = {"csrf": csrf, "url": "https://a.example/" + "x" * MAX_BYTES}
        await door.http.post(ALERTS, data=long)
        assert await kept_rows(office) == 1
        await door.signs_in()
        page = (await door.http.get("/dashboard/limits")).text
        assert LOST in page
        assert "xxx" not in page

    async def test_stored_input_is_encrypted_and_limited_in_number(
        self, office: Firm, door: Door
    ) -> None:
        csrf = await token(door.http)
        passes(office, hours=13)
        for _ in range(9):
            await door.http.post(ALERTS, data={"csrf": csrf, **INPUT})
        assert await kept_rows(office) == 5
        rows = await sql(office.gateway.parts.database, "select sealed from kept_input")
        assert all(INPUT["url"].encode() not in bytes(row.sealed) for row in rows)
        secret = door.http.cookies["maas_kept"]
        everything = await sql(
            office.gateway.parts.database, "select kept_input::text as all from kept_input"
        )
        assert not any(secret in row.all for row in everything)

    async def test_form_of_signed_out_session_is_not_stored(self, office: Firm, door: Door) -> None:
        cookie, csrf = door.http.cookies["maas_session"], await token(door.http)
        await door.signs_out()
        door.http.cookies.set("maas_session", cookie)
        answer = await door.http.post(ALERTS, data={"csrf": csrf, **INPUT})
        assert after_of(answer.headers["location"]) == "/dashboard"
        assert await kept_rows(office) == 0

    @pytest.mark.parametrize("csrf", ["", "x", "é", "y" * 9_000])
    async def test_form_without_valid_csrf_token_is_not_stored(
        self, office: Firm, door: Door, csrf: str
    ) -> None:
        passes(office, hours=13)
        answer = await door.http.post(ALERTS, data={"csrf": csrf, **INPUT})
        assert after_of(answer.headers["location"]) == "/dashboard"
        assert "set-cookie" not in answer.headers
        assert await kept_rows(office) == 0

    async def test_form_from_another_site_is_rejected_and_not_stored(
        self, office: Firm, door: Door
    ) -> None:
        answer = await expired(office, door, origin="https://evil.example")
        assert answer.status_code == 403
        assert await kept_rows(office) == 0

    async def test_form_without_preserved_fields_is_not_stored(
        self, office: Firm, door: Door
    ) -> None:
        csrf = await token(door.http)
        passes(office, hours=13)
        said = {"csrf": csrf, "old_password": PASSWORD, "password": "four new turbines"}
        answer = await door.http.post("/dashboard/me/password", data=said)
        assert after_of(answer.headers["location"]) == "/dashboard"
        assert await kept_rows(office) == 0

    async def test_undeclared_fields_are_not_stored(self, office: Firm, door: Door) -> None:
        csrf = await token(door.http)
        passes(office, hours=13)
        await door.http.post(ALERTS, data={"csrf": csrf, "password": "p" * MAX_BYTES, **INPUT})
        await door.signs_in()
        # The undeclared field does not count toward the size limit.
        page = (await door.http.get("/dashboard/limits")).text
        assert shown(page) == INPUT
        assert "ppp" not in page


class TestPreservedInputAccess:
    async def test_another_person_in_the_same_browser_does_not_see_the_input(
        self, office: Firm, door: Door
    ) -> None:
        await expired(office, door)
        gateway = office.gateway
        async with looker(gateway.url, gateway.parts, gateway.account.id) as other:
            for name, value in door.http.cookies.items():
                if name == "maas_kept":
                    other.http.cookies.set(name, value)
            page = await other.page("/dashboard/limits")
            assert NOTE not in page
            assert INPUT["url"] not in page
        # The person who typed it still gets it.
        await door.signs_in()
        assert shown((await door.http.get("/dashboard/limits")).text) == INPUT

    async def test_another_account_of_the_same_person_does_not_show_the_input(
        self, office: Firm, door: Door
    ) -> None:
        await expired(office, door)
        await _move(office, door, office.stranger)
        page = (await door.http.get("/dashboard/limits")).text
        assert NOTE not in page
        assert INPUT["url"] not in page
        assert await kept_rows(office) == 1

    @pytest.mark.parametrize("secret", ["", "x", "é", "y" * 3_000])
    async def test_guessed_secret_does_not_show_the_input(
        self, office: Firm, door: Door, secret: str
    ) -> None:
        await expired(office, door)
        await door.signs_in()
        session = door.http.cookies["maas_session"]
        header = {"cookie": f"maas_session={session}; maas_kept={secret}".encode()}
        async with client(office.gateway.url) as http:
            page = (await http.get("/dashboard/limits", headers=header)).text
        assert NOTE not in page
        assert await kept_rows(office) == 1


async def _move(office: Firm, door: Door, to: Looker) -> None:
    """Sign the person in with the other account selected."""
    parts, person_id = office.gateway.parts, await door.person_id()
    query = f"select account_id from membership where person_id = '{to.person_id}'"
    (row,) = await sql(parts.database, query)
    insert = (
        "insert into membership (person_id, account_id, role, created_at) "
        f"values ('{person_id}', '{row.account_id}', 'finance', now()) returning role"
    )
    await sql(parts.database, insert)
    async with parts.database.transaction() as session:
        opened = await create_session(session, parts.clock, person_id, row.account_id, PLACE)
    door.http.cookies.set("maas_session", opened.token)


class TestCsrfTokenOfEarlierSession:
    """The form has the token of an earlier session; the person has signed in again since."""

    async def again(self, firm: Firm, person: Looker, account: bool = True) -> None:
        parts = firm.gateway.parts
        async with parts.database.transaction() as session:
            place = firm.gateway.account.id if account else None
            opened = await create_session(session, parts.clock, person.person_id, place, PLACE)
        person.http.cookies.set("maas_session", opened.token)

    async def test_form_is_restored_without_being_submitted(self, office: Firm) -> None:
        owner = office.owner
        await self.again(office, owner)
        answer = await owner.send(ALERTS, **INPUT)
        assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/limits")
        page = await owner.page("/dashboard/limits")
        assert NOTE in page
        assert shown(page) == INPUT
        assert await alerts_url(office) is None

    async def test_key_form_is_restored_with_selected_models(self, office: Firm) -> None:
        owner, key = office.owner, ids.format_id("key", ids.new_id())
        await self.again(office, owner)
        said = {"id": key, "name": "press 4", "budget": "50", "networks": "10.0.0.0/8"}
        await owner.send("/dashboard/keys", **said, **{"model:anomaly-detector": "on"})
        page = await owner.page("/dashboard/keys/new")
        for value in said.values():
            assert f'value="{value}"' in page
        assert re.search(r'name="model:anomaly-detector"[^>]* checked', page)

    async def test_key_limits_form_is_restored(self, office: Firm) -> None:
        owner, key = office.owner, ids.format_id("key", office.gateway.key.row.id)
        await self.again(office, owner)
        answer = await owner.send(f"/dashboard/keys/{key}/limits", budget="41.50", requests="7")
        assert answer.headers["location"] == f"/dashboard/keys/{key}"
        page = await owner.page(f"/dashboard/keys/{key}")
        assert 'value="41.50"' in page
        assert NOTE in page

    async def test_invitation_form_is_restored(self, office: Firm) -> None:
        owner = office.owner
        await self.again(office, owner)
        said = {"email": "<b>@x", "role": "viewer"}
        await owner.send("/dashboard/team/invitations", **said)
        page = await owner.page("/dashboard/team")
        assert 'value="&lt;b&gt;@x"' in page
        assert '<option value="viewer" selected>' in page

    async def test_credit_limit_form_of_operator_is_restored(self, office: Firm) -> None:
        gateway = office.gateway
        address = f"/dashboard/platform/accounts/{ids.format_id('acct', gateway.account.id)}"
        async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as operator:
            await self.again(office, operator, account=False)
            said = {"amount": "12.50", "reason": "a larger order"}
            answer = await operator.send(f"{address}/credit-limit", **said)
            assert answer.headers["location"] == f"{address}/credit-limit"
            page = await operator.page(f"{address}/credit-limit")
        assert 'value="12.50"' in page
        assert 'value="a larger order"' in page

    async def test_token_of_another_person_is_rejected(self, office: Firm) -> None:
        gateway = office.gateway
        async with looker(gateway.url, gateway.parts, gateway.account.id) as other:
            said = {"csrf": other.csrf, **INPUT}
            answer = await office.owner.http.post(ALERTS, data=said)
        assert answer.status_code == 403
        assert await kept_rows(office) == 0

    async def test_form_without_preserved_fields_is_rejected(self, office: Firm) -> None:
        await self.again(office, office.owner)
        answer = await office.owner.send("/dashboard/sign-out")
        assert answer.status_code == 403
        await office.owner.page("/dashboard")


def test_preserved_fields_of_forms_hold_no_secrets() -> None:
    declared = []
    for one in HANDLERS:
        found = vars(one).values() if isinstance(one, type) else [one]
        for each in found:
            keeps = getattr(each, "opt", {}).get("keeps")
            if isinstance(keeps, PreservedFields):
                declared.append(keeps)
    assert len(declared) >= 10
    assert not SECRETS & {field for keeps in declared for field in keeps.fields}
    assert all(keeps.form_page.startswith("/dashboard/") for keeps in declared)
