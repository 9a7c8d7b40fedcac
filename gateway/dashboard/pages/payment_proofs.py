"""Proofs of payment: a customer's upload for an invoice, and downloads by both sides."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.bank_statements.errors import PaymentProofNotFound
from billing.bank_statements.proofs import (
    MAX_PROOF_BYTES,
    PROOF_ID_PREFIX,
    proof_filename,
    read_proof,
    store_proof,
)
from billing.invoices.lifecycle import INVOICE_ID_PREFIX, InvoiceNotFound
from gateway.dashboard.forms import NO_UPLOAD, read_upload
from gateway.dashboard.page_request import PageRequest
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_FORM_OVERHEAD_BYTES = 64 << 10


class PaymentProofPages(Controller):
    """Handlers of `/dashboard/invoices/{invoice}/proofs`."""

    path = "/invoices/{invoice:str}/proofs"

    @post(
        "/",
        permission=Permission.PAY,
        request_max_body_size=MAX_PROOF_BYTES + _FORM_OVERHEAD_BYTES,
    )
    async def upload(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        invoice: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Store a proof of payment of the invoice."""
        invoice_id = ids.parse_id(INVOICE_ID_PREFIX, invoice)
        if invoice_id is None:
            raise InvoiceNotFound("The account has no such invoice.", param="invoice")
        content = (await read_upload(request) or NO_UPLOAD).content
        actor, account_id, by = page.actor, page.account_id, page.viewer.email
        async with database.transaction() as session:
            proof = await store_proof(session, clock, account_id, invoice_id, by, content)
            subject, details = ids.format_id(PROOF_ID_PREFIX, proof.id), {"invoice": invoice}
            await record_audit_event(
                session, clock, actor, account_id, "bank.proof_uploaded", subject, details
            )
        return page.redirect(f"/dashboard/invoices/{invoice}#transfer")

    @get("/{proof:str}", name="dashboard:proof")
    async def download(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        invoice: FromPath[str],
        proof: FromPath[str],
    ) -> Response[bytes]:
        """Return a proof of payment of the account."""
        return await proof_response(database, proof, page.account_id)


@get("/platform/proofs/{proof:str}", name="platform:proof", permission=Permission.WATCH)
async def download_any_proof(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    proof: FromPath[str],
) -> Response[bytes]:
    """Return a proof of payment of any account to an operator."""
    return await proof_response(database, proof, None)


async def proof_response(
    database: Database, proof: str, account_id: UUID | None
) -> Response[bytes]:
    """Return a proof as a download, never shown by the browser. Raises PaymentProofNotFound."""
    proof_id = ids.parse_id(PROOF_ID_PREFIX, proof)
    if proof_id is None:
        raise PaymentProofNotFound("There is no such proof of payment.")
    async with database.transaction() as session:
        row = await read_proof(session, proof_id, account_id)
    headers = {"content-disposition": f'attachment; filename="{proof_filename(row)}"'}
    return Response(row.content, media_type=row.media_type, headers=headers)
