"""The operator's page of bank transfers: import, exact and single confirmation, rejection."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.identity.audit_log import list_account_entries, list_all_entries
from gateway.identity.roles import Role
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words
from tests.support.gateway.fapiaos import bill_a_fee

PAGE = "/dashboard/platform/bank"


@pytest.fixture(scope="module")
async def treasurer(shared_firm: Firm) -> AsyncIterator[Looker]:
    gateway = shared_firm.gateway
    async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as one:
        yield one


async def upload(who: Looker, text: str) -> Any:
    data, files = {"csrf": who.csrf}, {"upload": ("s.csv", text.encode())}
    return await who.http.post(f"{PAGE}/import", data=data, files=files)


async def test_transfers_are_imported_confirmed_and_rejected(
    shared_firm: Firm, treasurer: Looker
) -> None:
    firm, gateway = shared_firm, shared_firm.gateway
    assert "No open transfers" in await treasurer.page(PAGE)
    wrong = await upload(treasurer, "a,b")
    assert (wrong.status_code, "use CSV or camt.053" in wrong.text) == (422, True)
    invoice = await bill_a_fee(gateway)
    document = (await gateway.http.get(f"/v1/invoices/{invoice}")).json()
    head = "Date,Credit,Payer,Text,Reference\n"
    exact = f"2026-11-03,{document['total']},{gateway.account.name},{document['number']},A\n"
    other = f"2026-11-04,1.00,Group,{document['number']},B\nx1,y,z,,\n"
    shown = words((await upload(treasurer, head + exact + other)).text)
    assert "New transfers 2" in shown
    assert "Confirm 1 exact transfer" in shown
    assert "perhaps paid twice" in shown
    assert (await treasurer.send(f"{PAGE}/exact")).headers["location"] == PAGE
    paid = (await gateway.http.get(f"/v1/invoices/{invoice}")).json()
    assert (paid["status"], paid["owed"]) == ("paid", "0.00")
    page = await treasurer.page(PAGE)
    assert "Confirm 1 exact transfer" not in page
    async with gateway.parts.database.transaction() as session:
        (entry, *_) = await list_account_entries(session, gateway.account.id)
        actions = {one.action for one in await list_all_entries(session)}
    assert (entry.action, entry.details["invoice"]) == ("bank.confirmed", invoice)
    assert "bank.imported" in actions
    assert firm.gateway is gateway


async def test_unknown_line_is_not_found_and_customer_has_no_access(
    shared_firm: Firm, treasurer: Looker
) -> None:
    for action in ("confirm", "reject"):
        assert (await treasurer.send(f"{PAGE}/{action}", line="x")).status_code == 404
        assert (await shared_firm.owner.send(f"{PAGE}/{action}", line="x")).status_code == 403
