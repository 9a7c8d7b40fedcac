"""The operator's page of an account's deposit and guarantees."""

import re
from collections.abc import AsyncIterator

import pytest

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from gateway.identity.audit_log import list_account_entries
from gateway.identity.roles import Role
from infra import ids
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words
from tests.support.gateway.fapiaos import bill_a_fee

WHY = "contract 88"


@pytest.fixture(scope="module")
async def operator(shared_firm: Firm) -> AsyncIterator[Looker]:
    gateway = shared_firm.gateway
    async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as one:
        yield one


@pytest.fixture
def address(shared_firm: Firm) -> str:
    public_id = ids.format_id(ACCOUNT_ID_PREFIX, shared_firm.gateway.account.id)
    return f"/dashboard/platform/accounts/{public_id}/securities"


async def test_deposit_is_received_returned_and_audited(
    shared_firm: Firm, operator: Looker, address: str
) -> None:
    assert "No deposit" in await operator.page(address)
    form = {"kind": "received", "amount": "900.00", "reference": "bank 1", "reason": WHY}
    done = await operator.send(f"{address}/deposit", **form)
    assert done.headers["location"] == address
    await operator.send(f"{address}/deposit", **form)
    shown = words(await operator.page(address))
    assert shown.count("Deposit received bank 1 CN¥900.00") == 1
    back = {**form, "kind": "returned", "amount": "400.00", "reference": "bank 2"}
    await operator.send(f"{address}/deposit", **back)
    assert "Deposit CN¥500.00" in words(await operator.page(address))
    for wrong, told in (
        ({"amount": "much"}, "Enter an amount such as 12.50"),
        ({"amount": ""}, "Enter an amount such as 12.50"),
        ({"amount": "1.00"}, "used with another amount or invoice"),
        ({"kind": "returned", "reference": "bank 3"}, "above the deposit"),
        ({"kind": "lost"}, "Choose what happened"),
        ({"reason": ""}, "Enter a reason"),
        ({"reference": ""}, "Enter a reference."),
    ):
        answer = await operator.send(f"{address}/deposit", **{**form, **wrong})
        assert (answer.status_code, told in answer.text) == (422, True), wrong
    async with shared_firm.gateway.parts.database.transaction() as session:
        account_id = shared_firm.gateway.account.id
        entries = await list_account_entries(session, account_id, limit=10)
    actions = [entry.action for entry in entries]
    assert actions.count("credit.deposit_received") == 1
    assert actions.count("credit.deposit_returned") == 1


async def test_deposit_is_not_applied_before_an_invoice_is_overdue(
    shared_firm: Firm, operator: Looker, address: str
) -> None:
    invoice = await bill_a_fee(shared_firm.gateway)
    form = {"kind": "applied", "reference": "use 1", "reason": WHY}
    early = await operator.send(f"{address}/deposit", invoice=invoice, **form)
    assert early.status_code == 422
    assert "status does not allow this" in early.text
    unknown = await operator.send(f"{address}/deposit", invoice="X-1", **form)
    assert (unknown.status_code, "No invoice has this number." in unknown.text) == (422, True)


async def test_guarantee_is_recorded_and_ended(operator: Looker, address: str) -> None:
    form = {
        "guarantee_guarantor": "Chain AG",
        "guarantee_amount": "300.00",
        "guarantee_valid_until": "2999-01-31",
        "guarantee_reference": "letter 7",
        "guarantee_reason": WHY,
    }
    for field, told in (
        ("guarantor", "Enter the name of the guarantor."),
        ("amount", "Enter an amount such as 12.50"),
        ("valid_until", "Enter a day that has not passed."),
        ("reason", "Enter a reason"),
    ):
        wrong = await operator.send(f"{address}/guarantees", **{**form, f"guarantee_{field}": ""})
        assert (wrong.status_code, told in wrong.text) == (422, True), field
        assert f'id="guarantee_{field}-about"' in wrong.text
    assert (await operator.send(f"{address}/guarantees", **form)).headers["location"] == address
    page = await operator.page(address)
    assert "Chain AG letter 7 Valid" in words(page)
    found = re.search(r"guarantees/(guar_\w+)/end", page)
    assert found is not None
    end = f"{address}/guarantees/{found[1]}/end"
    assert (await operator.send(end, reason="")).status_code == 422
    assert (await operator.send(end, reason="contract ended")).headers["location"] == address
    assert "Chain AG letter 7 Ended" in words(await operator.page(address))
