"""The operator's page of bank transfers: import, exact and single confirmation, rejection."""

import re
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
    gateway = shared_firm.gateway
    assert "No open transfers" in await treasurer.page(PAGE)
    wrong = await upload(treasurer, "a,b")
    assert (wrong.status_code, "use CSV or camt.053" in wrong.text) == (422, True)
    invoice = await bill_a_fee(gateway)
    document = (await gateway.http.get(f"/v1/invoices/{invoice}")).json()
    await _prove_payment(shared_firm, treasurer, invoice, document["number"])
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
    line = re.search(r"bkl_\w+", page)
    assert line is not None
    unknown = await treasurer.send(f"{PAGE}/confirm", line=line[0], invoice="MAAS-999999")
    assert (unknown.status_code, "No invoice has this number" in unknown.text) == (422, True)
    sent = await treasurer.send(f"{PAGE}/confirm", line=line[0], invoice=document["number"])
    assert sent.headers["location"] == PAGE  # paid twice: it goes to the wallet
    async with gateway.parts.database.transaction() as session:
        (entry, *_) = await list_account_entries(session, gateway.account.id)
        actions = {one.action for one in await list_all_entries(session)}
    assert (entry.action, entry.details["invoice"]) == ("bank.confirmed", invoice)
    assert "bank.imported" in actions


async def _prove_payment(firm: Firm, operator: Looker, invoice: str, number: str) -> None:
    """The customer reads how to pay and uploads a proof, which both sides can download."""
    owner, page = firm.owner, f"/dashboard/invoices/{invoice}"
    assert f"Reference {number}" in words(await owner.page(page))
    content = b"\xff\xd8\xff"
    for sent, status in ((b"MZ", 400), (content, 303)):
        data, files = {"csrf": owner.csrf}, {"upload": ("proof.jpg", sent)}
        answer = await owner.http.post(f"{page}/proofs", data=data, files=files)
        assert answer.status_code == status
    proof = re.search(rf"{page}/proofs/(proof_\w+)", await owner.page(page))
    assert proof is not None
    assert number in await operator.page(PAGE)
    own = await owner.http.get(f"{page}/proofs/{proof[1]}")
    theirs = await operator.http.get(f"/dashboard/platform/proofs/{proof[1]}")
    assert own.content == theirs.content == content
    assert own.headers["content-disposition"] == f'attachment; filename="{proof[1]}.jpg"'
    for address in (f"{page}/proofs/x", f"{page}/proofs/proof_{'0' * 32}"):
        assert (await owner.http.get(address)).status_code == 404


async def test_unknown_line_is_not_found_and_customer_has_no_access(
    shared_firm: Firm, treasurer: Looker
) -> None:
    for action in ("confirm", "reject"):
        assert (await treasurer.send(f"{PAGE}/{action}", line="x")).status_code == 404
        assert (await shared_firm.owner.send(f"{PAGE}/{action}", line="x")).status_code == 403
