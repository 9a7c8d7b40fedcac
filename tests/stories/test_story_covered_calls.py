"""Calls covered by an outcome contract, from the month before its start to the month after its end:
made over a real socket, invoiced, exported and rated again from the exported files."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.cycle import bill_accounts
from billing.invoice_documents.builder import build_invoice_preview
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.export import export_invoice
from billing.invoices.usage_position import load_usage_position
from billing.tables import Invoice
from tests.stories.rerating import rerate
from tests.support.billing.making import count_all_usage
from tests.support.builders import CHAT, PLENTY, SPECIALIST, Limited
from tests.support.clocks import ShiftedClock
from tests.support.gateway.faults import nothing_is_held
from tests.support.stories.covered import Covered, covered_customer, month_after, tagged

READING = {"torque": 40, "wear": 12}


@pytest.fixture
async def covered(limited: Limited) -> AsyncIterator[Covered]:
    """A contract for the next month that covers 100 rows of the specialist, otherwise 0.001
    each, and 20 output tokens of the chat model."""
    async with limited(PLENTY, ShiftedClock()) as gateway:
        made = covered_customer(gateway)
        await made.agrees(rows=100, ends_at=month_after(made.starts_at))
        yield made


async def test_contract_covers_tagged_calls_only_between_its_start_and_its_end(
    covered: Covered, tmp_path: Path
) -> None:
    """60 rows per call.

    the month before   tagged            60 list             0.06
    the month          tagged            60 covered          0.00
                       tagged            40 covered, 20      0.02
                       tagged            60 not covered      0.06
                       without a tag     60 list             0.06
                       tagged, streamed  10 tokens           0.00
    the month after    tagged            60 list             0.06
    """
    gateway, ends_at = covered.gateway, month_after(covered.starts_at)
    costs = [await judges(covered)]
    covered.begins()
    costs += [await judges(covered) for _ in range(3)]
    costs.append(await judges(covered, None))
    assert (await covered.chat(stream=True)).status_code == 200
    await nothing_is_held(gateway)

    covered.clock.to(ends_at - timedelta(minutes=1))
    await count_all_usage(gateway.parts.database, covered.clock)
    preview = await previewed(covered)
    assert await uninvoiced(covered) == (60 + 80 + 60) * 10**6
    covered.clock.to(ends_at + timedelta(hours=2))
    costs.append(await judges(covered))
    assert costs == [f"0.0{cents}0000000" for cents in (6, 0, 2, 6, 6, 6)]

    await bill_accounts(gateway.parts.database, covered.clock)
    before, month = (await invoiced(covered))[::-1]
    assert [line["amount"] for line in before["lines"]] == ["0.06"]
    assert lines_of(month) == lines_of(preview.to_json())
    assert lines_of(month) == {
        (CHAT, "input_tokens", "1", "1", "0.00"),
        (CHAT, "output_tokens", "10", "10", "0.00"),
        (SPECIALIST, "rows", "180", "100", "0.08"),
        (SPECIALIST, "rows", "60", "0", "0.06"),
    }
    assert (month["net"], preview.text(preview.net)) == ("0.14", "0.14")
    assert [line["kind"] for line in month["lines"]] == ["usage"] * 4
    assert await uninvoiced(covered) == 60 * 10**6
    await nothing_is_held(gateway)
    code, said = await rerate(*await exported(covered, tmp_path))
    assert code == 0, said


async def judges(of: Covered, contract: str | None = "pumps") -> str:
    """Make a call of 60 rows; returns its cost."""
    headers = {} if contract is None else tagged(contract)
    body = {"model": SPECIALIST, "instances": [READING] * 60}
    answer = await of.gateway.http.post("/v1/predictions", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["x-maas-cost"])


def lines_of(document: dict[str, Any]) -> set[tuple[str, ...]]:
    names = ("model", "meter", "quantity", "included", "amount")
    return {tuple(str(line[name]) for name in names) for line in document["lines"]}


async def invoiced(of: Covered) -> list[dict[str, Any]]:
    """The invoices, newest first."""
    listed = (await of.gateway.http.get("/v1/invoices")).json()["data"]
    return [
        (await of.gateway.http.get(f"/v1/invoices/{one['id']}")).json()
        for one in listed
        if one["number"] is not None
    ]


async def previewed(of: Covered) -> InvoiceDocument:
    async with of.gateway.parts.database.transaction() as session:
        return await build_invoice_preview(session, of.clock, of.gateway.account.id)


async def uninvoiced(of: Covered) -> int:
    """The uninvoiced usage that reduces the available credit."""
    async with of.gateway.parts.database.transaction() as session:
        profile = await lock_profile(session, of.gateway.account.id)
        return (await load_usage_position(session, profile, of.clock.now())).uninvoiced_cost


async def exported(of: Covered, folder: Path) -> list[Path]:
    account_id = of.gateway.account.id
    async with of.gateway.parts.database.transaction() as session:
        query = select(Invoice).where(
            col(Invoice.account_id) == account_id, col(Invoice.number).is_not(None)
        )
        final = (await session.scalars(query)).all()
        return [await export_invoice(session, account_id, one.id, folder) for one in final]
