"""Operators find accounts and change them; support looks; nobody else comes in."""

import re
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.identity.audit import Entry, entries_of
from gateway.identity.memberships import join
from gateway.identity.roles import Role
from infra import ids
from infra.clock import Clock
from tests.gateway.dashboard.conftest import Firm
from tests.gateway.dashboard.looking import Looker, looker, words

ACCOUNTS = "/dashboard/platform/accounts"


def address(firm: Firm) -> str:
    return f"{ACCOUNTS}/{ids.show('acct', firm.gateway.account.id)}"


async def entries(firm: Firm, action: str) -> list[Entry]:
    async with firm.gateway.parts.database.transaction() as session:
        found = await entries_of(session, firm.gateway.account.id)
    return [one for one in found if one.action == action]


async def invoice_of(firm: Firm) -> dict[str, Any]:
    found: dict[str, Any] = (await firm.gateway.http.get("/v1/invoices")).json()["data"][0]
    return found


class TestComingIn:
    async def test_home_leads_to_the_accounts(self, operator: Looker) -> None:
        answer = await operator.http.get("/dashboard", follow_redirects=True)
        assert answer.url.path == ACCOUNTS
        assert "Acme 精密" in answer.text

    async def test_signing_out(self, operator: Looker) -> None:
        assert (await operator.send("/dashboard/sign-out")).status_code == 303
        assert (await operator.http.get(ACCOUNTS)).status_code == 303

    @pytest.mark.parametrize("rest", ["", "/suspend", "/credit-limit", "/look"])
    async def test_not_for_a_firms_people(self, firm: Firm, rest: str) -> None:
        await firm.owner.page(address(firm) + rest, 403)
        assert (await firm.owner.send(ACCOUNTS)).status_code == 405

    async def test_accounts_pages_are_not_for_the_platform(self, operator: Looker) -> None:
        await operator.page("/dashboard/invoices", 403)


class TestList:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", ["Other", "Acme 精密"]),
            ("?name=acme", ["Acme 精密"]),
            ("?name=%20精密%20", ["Acme 精密"]),
            ("?name=nobody", []),
            ("?name=%00", []),
            ("?standing=active", ["Other", "Acme 精密"]),
            ("?standing=suspended", []),
            ("?standing=nonsense", ["Other", "Acme 精密"]),
            ("?after=nonsense", ["Other", "Acme 精密"]),
        ],
    )
    async def test_searching(self, operator: Looker, query: str, found: list[str]) -> None:
        page = await operator.page(ACCOUNTS + query)
        assert re.findall(r'accounts/acct_\w+">([^<]+)</a>', page) == found

    async def test_by_id(self, firm: Firm, operator: Looker) -> None:
        page = await operator.page(f"{ACCOUNTS}?name={address(firm).rpartition('/')[2]}")
        assert "Acme 精密" in page
        assert "Other" not in words(page)


class TestOne:
    async def test_it_says_what_the_api_says(self, firm: Firm, operator: Looker) -> None:
        said = words(await operator.page(address(firm)))
        invoice = await invoice_of(firm)
        assert f"{invoice['number']} Open" in said
        assert f"Owed CN¥{invoice['owed']}" in said
        assert "Credit limit CN¥100.00" in said
        assert "Li Xuemei" in said

    @pytest.mark.parametrize("name", ["x", f"acct_{'0' * 32}"])
    async def test_no_such_one(self, operator: Looker, name: str) -> None:
        for rest in ("", "/suspend", "/credit-limit", "/look"):
            await operator.page(f"{ACCOUNTS}/{name}{rest}", 404)

    async def test_support_changes_nothing(self, firm: Firm, support: Looker) -> None:
        page = await support.page(address(firm))
        assert "/suspend" not in page
        assert "/look" in page
        invoice = (await invoice_of(firm))["id"]
        for change in ("suspend", "restore", "credit-limit", f"invoices/{invoice}/credit"):
            await support.page(f"{address(firm)}/{change}", 403)
            answer = await support.send(f"{address(firm)}/{change}", reason="because")
            assert answer.status_code == 403


class TestSuspending:
    async def test_and_restoring(self, firm: Firm, operator: Looker) -> None:
        for _ in range(2):
            answer = await operator.send(f"{address(firm)}/suspend", reason="does not answer")
            assert answer.headers["location"] == address(firm)
        said = words(await operator.page(address(firm)))
        assert "Suspended" in said
        assert "Suspended the account does not answer" in said
        assert (await firm.gateway.chat("w")).status_code == 403
        for _ in range(2):
            await operator.send(f"{address(firm)}/restore", reason="it called us")
        assert (await firm.gateway.chat("w")).status_code == 200
        assert len(await entries(firm, "account.suspended")) == 1
        (entry,) = await entries(firm, "account.restored")
        assert (entry.details["reason"], entry.name) == ("it called us", "Li Xuemei")

    @pytest.mark.parametrize("reason", ["", "  x ", "x" * 301])
    async def test_without_a_reason(self, firm: Firm, operator: Looker, reason: str) -> None:
        answer = await operator.send(f"{address(firm)}/suspend", reason=reason)
        assert answer.status_code == 422
        assert "Say why in 3 to 300 characters" in answer.text
        assert await entries(firm, "account.suspended") == []

    async def test_asking_first(self, firm: Firm, operator: Looker) -> None:
        assert "refused on every gateway" in await operator.page(f"{address(firm)}/suspend")
        assert "call again" in await operator.page(f"{address(firm)}/restore")
        await operator.page(f"{address(firm)}/erase", 404)
        assert (await operator.send(f"{address(firm)}/erase", reason="because")).status_code == 404


class TestCreditLimit:
    async def test_it_is_changed_once(self, firm: Firm, operator: Looker) -> None:
        for _ in range(2):
            answer = await operator.send(
                f"{address(firm)}/credit-limit", amount=" 250.50", reason="a good payer"
            )
            assert answer.headers["location"] == address(firm)
        assert "Credit limit CN¥250.50" in words(await operator.page(address(firm)))
        (entry,) = await entries(firm, "credit_limit.changed")
        assert entry.details["from"] == "100.000000000"
        assert entry.details["to"] == "250.500000000"

    @pytest.mark.parametrize("amount", ["", "-1", "much", "1e3", "9999999999.99"])
    async def test_no_amount(self, firm: Firm, operator: Looker, amount: str) -> None:
        answer = await operator.send(
            f"{address(firm)}/credit-limit", amount=amount, reason="because"
        )
        assert answer.status_code == 422
        assert "Write an amount as 500" in answer.text
        assert 'value="because"' in answer.text
        assert "Credit limit CN¥100.00" in words(await operator.page(address(firm)))


class TestCreditNote:
    async def form(self, firm: Firm, operator: Looker) -> tuple[str, str]:
        """The form's address and the note's own name."""
        place = f"{address(firm)}/invoices/{(await invoice_of(firm))['id']}/credit"
        found = re.search(r'name="key" value="(\w+)"', await operator.page(place))
        assert found is not None
        return place, found[1]

    async def test_it_is_written_once(self, firm: Firm, operator: Looker) -> None:
        place, key = await self.form(firm, operator)
        total = (await invoice_of(firm))["total"]
        for _ in range(2):
            answer = await operator.send(place, key=key, amount=total, reason="our fault")
            assert answer.headers["location"] == address(firm)
        invoice = await invoice_of(firm)
        assert (invoice["status"], invoice["owed"]) == ("paid", "0.00")
        (entry,) = await entries(firm, "invoice.credited")
        assert entry.details == {"reason": "our fault", "amount": total, "refund": False}
        assert entry.subject == invoice["id"]

    @pytest.mark.parametrize("amount", ["", "0", "0.001", "100000"])
    async def test_no_amount(self, firm: Firm, operator: Looker, amount: str) -> None:
        place, key = await self.form(firm, operator)
        answer = await operator.send(place, key=key, amount=amount, reason="our fault")
        assert answer.status_code == 422
        assert "more than the invoice has left to credit" in answer.text
        assert key in answer.text

    async def test_a_form_of_somebody_else(self, firm: Firm, operator: Looker) -> None:
        place, _ = await self.form(firm, operator)
        answer = await operator.send(place, key="x", amount="0.01", reason="our fault")
        assert answer.status_code == 404

    async def test_anothers_invoice(self, firm: Firm, operator: Looker) -> None:
        place, key = await self.form(firm, operator)
        found = re.findall(r"acct_\w+", await operator.page(ACCOUNTS))
        other = next(one for one in found if one not in place)
        place = re.sub(r"acct_\w+", other, place)
        await operator.page(place, 404)
        answer = await operator.send(place, key=key, amount="0.01", reason="our fault")
        assert answer.status_code == 404


class TestLooking:
    async def test_beginning_and_ending(self, firm: Firm, support: Looker) -> None:
        assert "For an hour at most" in await support.page(f"{address(firm)}/look")
        answer = await support.send(f"{address(firm)}/look", reason="ticket 12")
        assert answer.headers["location"] == "/dashboard"
        page = await support.page("/dashboard")
        assert "You look at Acme 精密 as support" in words(page)
        assert "End looking" in page
        await support.page(ACCOUNTS, 403)
        answer = await support.send("/dashboard/platform/look/end")
        assert answer.headers["location"] == address(firm)
        await support.page(address(firm))
        began = await entries(firm, "impersonation.began")
        ended = await entries(firm, "impersonation.ended")
        assert (began[0].details["reason"], len(ended)) == ("ticket 12", 1)
        answer = await support.send("/dashboard/platform/look/end")
        assert answer.headers["location"] == "/dashboard"

    async def test_without_a_reason(self, firm: Firm, support: Looker) -> None:
        answer = await support.send(f"{address(firm)}/look", reason="")
        assert answer.status_code == 422
        assert await entries(firm, "impersonation.began") == []


class TestSwitching:
    async def test_between_accounts(self, firm: Firm) -> None:
        gateway = firm.gateway
        async with looker(gateway.url, gateway.parts, gateway.account.id, Role.VIEWER) as one:
            assert "/dashboard/switch" not in await one.page("/dashboard")
            async with gateway.parts.database.transaction() as session:
                other = await another(session, gateway.parts.clock, one)
            page = await one.page("/dashboard")
            assert "/dashboard/switch" in page
            page = await one.page("/dashboard/switch")
            assert "Other" in words(page)
            answer = await one.send("/dashboard/switch", account=other)
            assert answer.headers["location"] == "/dashboard"
            assert "Other" in words(await one.page("/dashboard"))

    async def test_nowhere_else(self, firm: Firm) -> None:
        for account in ("platform", "x", "", address(firm).rpartition("/")[2]):
            answer = await firm.stranger.send("/dashboard/switch", account=account)
            assert answer.status_code == 404


async def another(session: AsyncSession, clock: Clock, one: Looker) -> str:
    """Make the person a member of the other firm too; gives its id."""
    other = await get_account(session, "Other")
    await join(session, clock, one.person_id, other.id, Role.FINANCE)
    return ids.show("acct", other.id)
