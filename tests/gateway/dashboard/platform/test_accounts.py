"""Platform account pages: operators search and change accounts, support reads, others get 403."""

import re

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.identity.audit_log import AuditLogEntry, list_account_entries
from gateway.identity.memberships import add_member
from gateway.identity.roles import Role
from infra import ids
from infra.clock import Clock
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words
from tests.support.stories import story as stories

ACCOUNTS = "/dashboard/platform/accounts"


def address(firm: Firm) -> str:
    return f"{ACCOUNTS}/{ids.format_id('acct', firm.gateway.account.id)}"


async def entries(firm: Firm, action: str) -> list[AuditLogEntry]:
    async with firm.gateway.parts.database.transaction() as session:
        found = await list_account_entries(session, firm.gateway.account.id)
    return [one for one in found if one.action == action]


def of_debtor(debtor: stories.Firm) -> str:
    return f"{ACCOUNTS}/{ids.format_id('acct', debtor.account.id)}"


async def credit_address(debtor: stories.Firm) -> str:
    (invoice,) = await debtor.invoices()
    return f"{of_debtor(debtor)}/invoices/{ids.format_id('inv', invoice.id)}/credit"


class TestAccessByRole:
    async def test_each_role_can_open_only_its_own_pages(
        self, firm: Firm, debtor: stories.Firm, operator: Looker, support: Looker
    ) -> None:
        answer = await operator.http.get("/dashboard", follow_redirects=True)
        assert answer.url.path == ACCOUNTS
        await operator.page("/dashboard/invoices", 403)
        for rest in ("", "/suspend", "/credit-limit", "/look"):
            await firm.owner.page(address(firm) + rest, 403)
        page = await support.page(address(firm))
        assert "/suspend" not in page
        assert "/look" in page
        places = [f"{address(firm)}/{one}" for one in ("suspend", "restore", "credit-limit")]
        for place in (*places, await credit_address(debtor)):
            await support.page(place, 403)
            assert (await support.send(place, reason="because")).status_code == 403
        assert (await operator.send("/dashboard/sign-out")).status_code == 303
        assert (await operator.http.get(ACCOUNTS)).status_code == 303

    async def test_member_of_several_accounts_can_switch_only_between_these(
        self, firm: Firm
    ) -> None:
        gateway = firm.gateway
        async with looker(gateway.url, gateway.parts, gateway.account.id, Role.VIEWER) as one:
            assert "/dashboard/switch" not in await one.page("/dashboard")
            async with gateway.parts.database.transaction() as session:
                other = await another(session, gateway.parts.clock, one)
            assert "/dashboard/switch" in await one.page("/dashboard")
            assert "Other Finance" in words(await one.page("/dashboard/switch"))
            answer = await one.send("/dashboard/switch", account=other)
            assert answer.headers["location"] == "/dashboard"
            assert "Other" in words(await one.page("/dashboard"))
        for account in ("platform", "x", "", address(firm).rpartition("/")[2]):
            answer = await firm.stranger.send("/dashboard/switch", account=account)
            assert answer.status_code == 404


class TestAccountPages:
    async def test_accounts_are_found_by_name_status_and_id(
        self, firm: Firm, operator: Looker
    ) -> None:
        both = ["Other", "Acme 精密"]
        for query, found in (
            ("", both),
            ("?name=acme", ["Acme 精密"]),
            ("?name=nobody", []),
            ("?standing=active", both),
            ("?standing=suspended", []),
            ("?standing=nonsense", both),
            ("?after=nonsense", both),
            (f"?name={address(firm).rpartition('/')[2]}", ["Acme 精密"]),
        ):
            page = await operator.page(ACCOUNTS + query)
            assert re.findall(r'accounts/acct_\w+">([^<]+)</a>', page) == found, query
        # A NUL in an address is rejected before the page is built.
        assert "malformed_request" in await operator.page(f"{ACCOUNTS}?name=%00", 400)

    async def test_account_page_shows_invoices_credit_limit_and_members(
        self, firm: Firm, debtor: stories.Firm, operator: Looker
    ) -> None:
        said = words(await operator.page(of_debtor(debtor)))
        assert "MAAS-000002 Open" in said
        assert "Outstanding CN¥30.00" in said
        assert "No members yet" in said
        said = words(await operator.page(address(firm)))
        assert "Credit limit CN¥100.00" in said
        assert "Li Xuemei" in said
        for name in ("x", f"acct_{'0' * 32}"):
            for rest in ("", "/suspend", "/credit-limit", "/look"):
                await operator.page(f"{ACCOUNTS}/{name}{rest}", 404)


class TestAccountChanges:
    async def test_operator_suspends_and_restores_account_with_a_reason(
        self, firm: Firm, operator: Looker
    ) -> None:
        assert "All gateways reject the account" in await operator.page(f"{address(firm)}/suspend")
        for reason in ("", "  x ", "x" * 301, "be\x00cause"):
            answer = await operator.send(f"{address(firm)}/suspend", reason=reason)
            assert answer.status_code == 422
            assert "Enter a reason of 3 to 300 characters" in answer.text
        assert await entries(firm, "account.suspended") == []
        for _ in range(2):
            answer = await operator.send(f"{address(firm)}/suspend", reason="does not answer")
            assert answer.headers["location"] == address(firm)
        said = words(await operator.page(address(firm)))
        assert "Suspended the account does not answer" in said
        for _ in range(2):
            await operator.send(f"{address(firm)}/restore", reason="it called us")
        assert "Suspended since" not in words(await operator.page(address(firm)))
        assert len(await entries(firm, "account.suspended")) == 1
        (entry,) = await entries(firm, "account.restored")
        assert (entry.details["reason"], entry.name) == ("it called us", "Li Xuemei")
        answer = await operator.send(f"{address(firm)}/erase", reason="because")
        assert answer.status_code == 404

    async def test_repeated_credit_limit_change_is_logged_once(
        self, firm: Firm, operator: Looker
    ) -> None:
        place = f"{address(firm)}/credit-limit"
        for amount in ("", "-1", "much", "1e3", "9999999999.99"):
            answer = await operator.send(place, amount=amount, reason="because")
            assert answer.status_code == 422
            wrong = "limit is too large" if amount[-1:] == "9" else "Enter an amount such as 12.50"
            assert wrong in answer.text
            assert 'value="because"' in answer.text
        for _ in range(2):
            answer = await operator.send(place, amount=" 250.50", reason="a good payer")
            assert answer.headers["location"] == address(firm)
        assert "Credit limit CN¥250.50" in words(await operator.page(address(firm)))
        (entry,) = await entries(firm, "credit_limit.changed")
        assert entry.details["from"] == "100.000000000"
        assert entry.details["to"] == "250.500000000"

    async def test_repeated_credit_note_form_creates_one_credit_note(
        self, firm: Firm, debtor: stories.Firm, operator: Looker
    ) -> None:
        place, home = await credit_address(debtor), of_debtor(debtor)
        found = re.search(r'name="key" value="(\w+)"', await operator.page(place))
        assert found is not None
        key = found[1]
        for amount in ("", "0", "0.001", "100000"):
            answer = await operator.send(
                place, key=key, amount=amount, reason="try again; if it fails again"
            )
            assert answer.status_code == 422
            read = amount in ("0", "100000")
            wrong = (
                "at most the amount that can still be credited"
                if read
                else "Enter an amount such as 12.50"
            )
            assert wrong in answer.text
            assert key in answer.text
        answer = await operator.send(
            place, key="x", amount="0.01", reason="try again; if it fails again"
        )
        assert answer.status_code == 404
        elsewhere = place.replace(home, address(firm))
        await operator.page(elsewhere, 404)
        answer = await operator.send(
            elsewhere, key=key, amount="0.01", reason="try again; if it fails again"
        )
        assert answer.status_code == 404
        for _ in range(2):
            answer = await operator.send(
                place, key=key, amount="12.00", reason="try again; if it fails again"
            )
            assert answer.headers["location"] == home
        (invoice,) = await debtor.invoices()
        assert await debtor.owes(invoice) == "18.00"
        async with firm.gateway.parts.database.transaction() as session:
            (entry,) = await list_account_entries(session, debtor.account.id)
        assert entry.details == {
            "reason": "try again; if it fails again",
            "amount": "12.00",
            "refund": False,
        }
        assert entry.subject == ids.format_id("inv", invoice.id)


class TestImpersonation:
    async def test_support_views_account_as_customer_until_it_stops_viewing(
        self, firm: Firm, support: Looker
    ) -> None:
        assert "for at most one hour" in await support.page(f"{address(firm)}/look")
        assert (await support.send(f"{address(firm)}/look", reason="")).status_code == 422
        answer = await support.send(f"{address(firm)}/look", reason="ticket 12")
        assert answer.headers["location"] == "/dashboard"
        page = await support.page("/dashboard")
        assert "You are viewing Acme 精密 as the customer sees it" in words(page)
        assert "Stop viewing" in page
        assert "/dashboard/switch" not in page
        await support.page(ACCOUNTS, 403)
        answer = await support.send("/dashboard/platform/look/end")
        assert answer.headers["location"] == address(firm)
        await support.page(address(firm))
        (began,) = await entries(firm, "impersonation.began")
        assert began.details["reason"] == "ticket 12"
        assert len(await entries(firm, "impersonation.ended")) == 1
        answer = await support.send("/dashboard/platform/look/end")
        assert answer.headers["location"] == "/dashboard"


async def another(session: AsyncSession, clock: Clock, one: Looker) -> str:
    """Make the person a member of the other account too. Returns that account's id."""
    other = await get_account(session, "Other")
    await add_member(session, clock, one.person_id, other.id, Role.FINANCE)
    return ids.format_id("acct", other.id)
