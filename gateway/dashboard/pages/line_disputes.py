"""Disputing a line of an invoice: the form, and sending it.

Owns that page; how a dispute stands is shown on the invoice (invoices.py).
"""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.collection.line_disputes import (
    PREFIX,
    LineDisputeInvalid,
    LineDisputeStateWrong,
    disputable_lines,
    dispute_line,
)
from billing.invoice_documents.billed_call_query import LineNotFound
from billing.invoice_documents.builder import document_of
from billing.invoices.lifecycle import PREFIX as INVOICE_PREFIX
from billing.invoices.lifecycle import InvoiceNotFound, get_invoice
from gateway.dashboard.forms import Filled, fields_of, kept_form, mistaken
from gateway.dashboard.keeping import Keeps
from gateway.dashboard.page_request import INVALID, Viewing, place_of
from gateway.identity.audit_log import Actor, record
from gateway.identity.roles import Permission
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_KEEPS = Keeps("/dashboard/invoices/{invoice}/lines/{number}/dispute", ("reason",))


class LineDisputePages(Controller):
    """`/dashboard/invoices/{invoice}/lines/{number}/dispute`."""

    path = "/invoices/{invoice:str}/lines/{number:int}/dispute"

    @get("/", name="dashboard:dispute-line", permission=Permission.PAY)
    async def ask(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        invoice: FromPath[str],
        number: FromPath[int],
    ) -> Response[str]:
        return await _page(viewing, database, clock, _id(invoice), number, kept_form(viewing), 200)

    @post("/", permission=Permission.PAY, keeps=_KEEPS)
    async def dispute(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        invoice: FromPath[str],
        number: FromPath[int],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        said, identity = await fields_of(request), _id(invoice)
        by, account_id = Actor.of(viewing.viewer, place_of(request).address), viewing.account_id
        what = viewing.viewer.email, said.get("reason", "")
        try:
            async with database.transaction() as session:
                made = await dispute_line(session, clock, account_id, identity, number, *what)
                name, about = ids.show(PREFIX, made.id), {"invoice": invoice, "line": number}
                await record(session, clock, by, account_id, "line.disputed", name, about)
        except (LineDisputeInvalid, LineDisputeStateWrong) as error:
            form = mistaken(viewing, said, error)
            return await _page(viewing, database, clock, identity, number, form, INVALID)
        return viewing.go(f"/dashboard/invoices/{invoice}#disputes")


async def _page(
    viewing: Viewing,
    database: Database,
    clock: Clock,
    identity: UUID,
    number: int,
    form: Filled,
    status: int,
) -> Response[str]:
    place = viewing.account_id, identity
    async with database.transaction() as session:
        document = await document_of(session, *place, viewing.language)
        found = await get_invoice(session, *place)
        lines = await disputable_lines(session, clock.now(), found)
    if not 0 < number <= len(document.lines):
        raise LineNotFound("The invoice has no such line.", param="line")
    back = f"/dashboard/invoices/{ids.show(INVOICE_PREFIX, identity)}"
    return viewing.page(
        "line_dispute.html",
        status=status,
        document=document,
        line=document.lines[number - 1],
        disputable=number in lines,
        form=form,
        back=back,
        action=f"{back}/lines/{number}/dispute",
    )


def _id(text: str) -> UUID:
    found = ids.parse(INVOICE_PREFIX, text)
    if found is None:
        raise InvoiceNotFound("The account has no such invoice.", param="invoice")
    return found
