"""Credit of a customer and an operator: pages and API over one gateway, from a fixed limit on."""

from collections.abc import AsyncIterator

import pytest

from billing.credit.job import evaluate_due_credit
from billing.credit.policies import publish_policy
from billing.credit.policy_file import parse_policy_file
from gateway.identity.audit_log import list_account_entries
from gateway.identity.roles import Role
from tests.gateway.dashboard.api_reading import api
from tests.support.billing.credit import STANDARD
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words

PLATFORM = "/dashboard/platform/credit"


@pytest.fixture(scope="module")
async def firm(shared_firm: Firm) -> Firm:
    """Shared by all tests of this module, which follow each other."""
    return shared_firm


@pytest.fixture(scope="module")
async def operator(firm: Firm) -> AsyncIterator[Looker]:
    async with looker(firm.gateway.url, firm.gateway.parts, None, Role.OPERATOR) as one:
        yield one


async def test_fixed_limit_is_shown_as_set_by_the_operator(firm: Firm, operator: Looker) -> None:
    shown = words(await firm.owner.page("/dashboard/credit"))
    assert "Your credit limit CN¥100.00" in shown
    assert "The operator sets your credit limit." in shown
    credit = await api(firm, "/v1/credit")
    assert (credit["policy"], credit["limit"], credit["reasons"]) == (None, "100.00", [])
    assert "No credit policies" in words(await operator.page(PLATFORM))


async def test_operator_assigns_a_policy_and_the_customer_sees_why(
    firm: Firm, operator: Looker
) -> None:
    parts = firm.gateway.parts
    async with parts.database.transaction() as session:
        await publish_policy(session, parts.clock, parse_policy_file(STANDARD), None)
    form = {"policy": "standard", "assignment_reason": "new contract"}
    account = firm.gateway.account.name
    for wrong in (
        {**form, "assigned_account": "Nobody"},
        {**form, "assigned_account": account, "policy": "other"},
        {**form, "assigned_account": account, "assignment_reason": ""},
    ):
        assert (await operator.send(f"{PLATFORM}/assign", **wrong)).status_code == 422
    sent = await operator.send(f"{PLATFORM}/assign", **{**form, "assigned_account": account})
    assert sent.headers["location"] == PLATFORM
    shown = words(await firm.owner.page("/dashboard/credit"))
    assert "Starting limit: CN¥500.00." in shown
    assert "Next limit: CN¥1,000.00. Still missing: 2 more invoices paid on time" in shown
    account_id = firm.gateway.account.id
    async with looker(firm.gateway.url, parts, account_id, language="zh") as chinese:
        assert "再按时支付 2 张账单" in await chinese.page("/dashboard/credit")
    credit = await api(firm, "/v1/credit")
    assert (credit["limit"], credit["policy"]) == ("500.00", "standard")
    assert credit["next_raise"] == {"limit": "1000.00", "missing": {"paid_on_time": 2}}
    decided = (await api(firm, "/v1/credit/decisions"))["data"]
    assert [(one["previous_limit"], one["limit"]) for one in decided] == [("100.00", "500.00")]


async def test_limit_of_a_policy_is_enforced_at_admission(firm: Firm) -> None:
    """`available` of the limits is what admission checks: it rises by the same amount."""
    limits = await api(firm, "/v1/limits")
    assert limits["available"]["limit"] == "500.000000000"


async def test_fixed_limit_cannot_be_set_while_a_policy_applies(
    firm: Firm, operator: Looker
) -> None:
    address = f"/dashboard/platform/accounts/acct_{firm.gateway.account.id.hex}/credit-limit"
    refused = await operator.send(address, amount="900", reason="a friend")
    assert (refused.status_code, "A credit policy decides this limit" in refused.text) == (
        422,
        True,
    )


async def test_override_lasts_until_its_last_day(firm: Firm, operator: Looker) -> None:
    form = {"account": firm.gateway.account.name, "limit": "80", "reason": "trade fair"}
    for until in ("", "tomorrow", "2020-01-01"):
        wrong = await operator.send(f"{PLATFORM}/override", **form, until=until)
        assert wrong.status_code == 422
    for values in ({"limit": "-1"}, {"reason": ""}, {"account": "Nobody"}):
        wrong = await operator.send(
            f"{PLATFORM}/override", **{**form, **values}, until="2099-01-01"
        )
        assert wrong.status_code == 422
    several = {"account": "Nobody", "limit": "x", "until": "", "reason": ""}
    shown = (await operator.send(f"{PLATFORM}/override", **several)).text
    assert all(f'id="{name}-about"' in shown for name in several)
    await operator.send(f"{PLATFORM}/override", **form, until="2099-01-01")
    assert "The operator set a limit of CN¥80.00 until Jan 1, 2099" in words(
        await firm.owner.page("/dashboard/credit")
    )
    assert (await api(firm, "/v1/credit"))["limit"] == "80.00"
    async with firm.gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, firm.gateway.account.id)
    assert entries[0].action == "credit.overridden"


async def test_exposure_limit_is_set_shown_and_removed(firm: Firm, operator: Looker) -> None:
    form = {"scope": "currency", "subject": "", "currency": "CNY", "exposure_limit": "70"}
    for values in ({"exposure_limit": "x"}, {"scope": "policy"}, {"currency": "yuan"}):
        wrong = await operator.send(f"{PLATFORM}/exposure", **{**form, **values})
        assert wrong.status_code == 422
    await operator.send(f"{PLATFORM}/exposure", **form)
    shown = words(await operator.page(PLATFORM))
    assert "All accounts CNY CN¥180.00 CN¥70.00" in shown
    await operator.send(f"{PLATFORM}/exposure", **{**form, "exposure_limit": ""})
    assert "CN¥70.00" not in words(await operator.page(PLATFORM))


async def test_other_accounts_see_nothing_of_this_one(firm: Firm) -> None:
    parts = firm.gateway.parts
    await evaluate_due_credit(parts.database, parts.clock)
    shown = words(await firm.stranger.page("/dashboard/credit"))
    assert "The operator sets your credit limit." in shown
    assert "CN¥80.00" not in shown
