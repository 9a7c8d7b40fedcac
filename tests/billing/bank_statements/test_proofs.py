"""Proofs of payment: kinds of files, limits, and who can read them."""

import pytest

from billing.bank_statements.errors import PaymentProofInvalid, PaymentProofNotFound
from billing.bank_statements.proofs import (
    list_open_proofs,
    list_proofs,
    proof_filename,
    read_proof,
    store_proof,
)
from billing.invoices.lifecycle import InvalidInvoiceState
from billing.tables import Invoice, PaymentProof
from tests.support.stories.story import Firm, Story

PDF = b"%PDF-1.7"


async def open_invoice(story: Story) -> tuple[Firm, Invoice]:
    firm = await story.firm()
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 1)
    (invoice,) = await firm.invoices()
    return firm, invoice


async def stored(firm: Firm, invoice: Invoice, content: bytes = PDF) -> PaymentProof:
    story = firm.story
    async with story.database.transaction() as session:
        place = (session, story.clock, firm.account.id, invoice.id)
        return await store_proof(*place, "wu@plant.example", content)


@pytest.mark.parametrize(
    ("content", "extension"),
    [(PDF, "pdf"), (b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff\xe0", "jpg")],
)
async def test_pdf_and_images_are_stored_and_read(
    story: Story, content: bytes, extension: str
) -> None:
    firm, invoice = await open_invoice(story)
    proof = await stored(firm, invoice, content)
    other = await story.firm("Other")
    async with story.database.transaction() as session:
        assert (await read_proof(session, proof.id)).content == content
        assert (await read_proof(session, proof.id, firm.account.id)).size == len(content)
        assert proof_filename(proof).endswith(f".{extension}")
        with pytest.raises(PaymentProofNotFound):
            await read_proof(session, proof.id, other.account.id)
        assert await list_proofs(session, other.account.id, invoice.id) == []


@pytest.mark.parametrize("content", [b"", b"MZ", b"%PDF-" + b"x" * (5 << 20)])
async def test_other_and_large_files_are_rejected(story: Story, content: bytes) -> None:
    firm, invoice = await open_invoice(story)
    with pytest.raises(PaymentProofInvalid):
        await stored(firm, invoice, content)


async def test_proofs_are_listed_until_the_invoice_is_paid(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    firm, invoice = await open_invoice(story)
    monkeypatch.setattr("billing.bank_statements.proofs.MAX_PROOFS", 1)
    proof = await stored(firm, invoice)
    with pytest.raises(PaymentProofInvalid, match="at most 1 "):
        await stored(firm, invoice)
    async with story.database.transaction() as session:
        assert [one.id for one in await list_open_proofs(session)] == [proof.id]
    await firm.pays(invoice, "100.00")
    async with story.database.transaction() as session:
        assert await list_open_proofs(session) == []
    with pytest.raises(InvalidInvoiceState, match="is paid"):
        await stored(firm, invoice)
