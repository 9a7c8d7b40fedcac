"""Dispute pages of an invoice line."""

import pytest

from billing.collection.line_disputes import DisputeAnswer, answer_line_dispute, list_line_disputes
from gateway.identity.audit_log import list_account_entries
from gateway.identity.roles import Role
from infra import ids
from tests.gateway.dashboard.api_reading import invoice_of
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words


@pytest.fixture(scope="module")
def firm(shared_firm: Firm) -> Firm:
    """Shared by all tests of this module: no other test reads the dispute of the first test."""
    return shared_firm


async def test_invoice_line_is_disputed_once_and_answer_is_shown(firm: Firm) -> None:
    invoice = await invoice_of(firm)
    page, form = f"/dashboard/invoices/{invoice}", f"/dashboard/invoices/{invoice}/lines/1/dispute"
    assert form in await firm.owner.page(page)
    assert "Line 1 of MAAS-000001" in words(await firm.owner.page(form))
    empty = await firm.owner.send(form, reason=" ")
    assert (empty.status_code, 'aria-invalid="true"' in empty.text) == (422, True)
    sent = await firm.owner.send(form, reason="It was never called.")
    assert sent.headers["location"] == f"{page}#disputes"
    again = await firm.owner.send(form, reason="It was never called.")
    assert (again.status_code, "This line cannot be disputed" in again.text) == (422, True)
    said = words(await firm.owner.page(page))
    assert "Line 1 Awaiting the operator's answer" in said
    assert "It was never called." in said
    parts, account_id = firm.gateway.parts, firm.gateway.account.id
    async with parts.database.transaction() as session:
        identity = ids.parse_id("inv", invoice)
        assert identity is not None
        (dispute,) = await list_line_disputes(session, account_id, identity)
        answer = DisputeAnswer("Li", "It was, see its calls.")
        await answer_line_dispute(session, firm.clock, account_id, dispute.id, answer)
        actions = [one.action for one in await list_account_entries(session, account_id)]
    assert actions[0] == "line.disputed"
    said = words(await firm.owner.page(page))
    assert "Amount confirmed" in said
    assert "It was, see its calls." in said


async def test_dispute_of_unknown_line_or_other_accounts_invoice_returns_404(firm: Firm) -> None:
    address = f"/dashboard/invoices/{await invoice_of(firm)}/lines"
    await firm.owner.page(f"{address}/99/dispute", 404)
    for form in (f"{address}/1/dispute", "/dashboard/invoices/x/lines/1/dispute"):
        await firm.stranger.page(form, 404)
        assert (await firm.stranger.send(form, reason="x")).status_code == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER])
async def test_viewer_and_developer_cannot_dispute_an_invoice_line(firm: Firm, role: Role) -> None:
    gateway, invoice = firm.gateway, await invoice_of(firm)
    address = f"/dashboard/invoices/{invoice}/lines/1/dispute"
    async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
        assert address not in await one.page(f"/dashboard/invoices/{invoice}")
        await one.page(address, 403)
        assert (await one.send(address, reason="x")).status_code == 403
