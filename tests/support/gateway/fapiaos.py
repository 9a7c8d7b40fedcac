"""Fapiao of the account of a gateway: a paid invoice, a title, an issued fapiao with its file."""

from uuid import UUID

from billing.fapiao.files import store_file
from billing.fapiao.titles import create_title
from billing.invoices.payments import IncomingPayment, record_payment
from billing.ledger.ledger import outstanding_amount
from billing.tables import PaymentProof
from infra import ids
from infra.clock import SystemClock
from tests.support.billing.fapiao_steps import TITLE, export_and_issue
from tests.support.builders import Gateway
from tests.support.gateway.subscribing import SMALL, choose, offer

CLOCK = SystemClock()


async def bill_a_fee(gateway: Gateway) -> str:
    """Subscribe to a plan with a fee, which is invoiced at once; returns the invoice's id."""
    await offer(gateway, SMALL.replace("small", "paper").replace("Small", "Paper"))
    chosen = await choose(gateway, "paper", key="paper")
    assert chosen.status_code == 200, chosen.text
    return str((await gateway.http.get("/v1/invoices")).json()["data"][0]["id"])


async def pay(gateway: Gateway, invoice: str) -> UUID:
    """Pay what is due on an invoice by a transfer."""
    invoice_id, account_id = ids.parse_id("inv", invoice), gateway.account.id
    assert invoice_id is not None
    async with gateway.parts.database.transaction() as session:
        due = await outstanding_amount(session, account_id, invoice_id)
        payment = IncomingPayment("manual", f"bank-{invoice}", due, CLOCK.now())
        await record_payment(session, CLOCK, account_id, invoice_id, payment)
    return invoice_id


async def add_proof(gateway: Gateway) -> str:
    """A proof of payment for the newest invoice, whatever its status is."""
    name = (await gateway.http.get("/v1/invoices")).json()["data"][0]["id"]
    proof = PaymentProof(
        id=ids.new_id(),
        account_id=gateway.account.id,
        invoice_id=ids.parse_id("inv", name),
        media_type="image/png",
        size=1,
        content=b"x",
        uploaded_at=CLOCK.now(),
        uploaded_by="wu@plant.example",
    )
    async with gateway.parts.database.transaction() as session:
        session.add(proof)
    return ids.format_id("proof", proof.id)


async def add_title(gateway: Gateway) -> str:
    async with gateway.parts.database.transaction() as session:
        title = await create_title(session, CLOCK, gateway.account.id, TITLE)
    return ids.format_id("fpt", title.id)


async def issue_fapiao(gateway: Gateway) -> str:
    """Pay the invoice of a fee and issue its fapiao, with a PDF file; once, its id is kept."""
    issued = (await gateway.http.get("/v1/fapiao")).json()["data"]
    if issued:
        return str(issued[0]["id"])
    invoice_id = await pay(gateway, await bill_a_fee(gateway))
    database, account_id = gateway.parts.database, gateway.account.id
    row = await export_and_issue(database, CLOCK, account_id, invoice_id)
    async with database.transaction() as session:
        await store_file(session, CLOCK, account_id, row.id, b"%PDF-1.7")
    return ids.format_id("fp", row.id)
