"""Results and rejections of fapiao that another transaction changes meanwhile."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest

from billing.fapiao.batch_file import BatchFileProvider
from billing.fapiao.errors import InvalidFapiaoState
from billing.fapiao.issuing import ImportReport, apply_results, reject_fapiao
from billing.fapiao.layout import load_layout
from billing.fapiao.provider import IssueOrder, IssueResult, ProviderFile, RedLetterOrder
from billing.fapiao.requests import get_fapiao
from billing.tables import Fapiao
from tests.support.billing.fapiao_steps import (
    HEADER,
    Row,
    export,
    paid_invoice,
    request,
    result,
    results,
    workbook,
)
from tests.support.stories.story import Firm, Story


@dataclass
class Interrupted:
    """A provider with a result list; while it is read, `meanwhile` is done and committed."""

    list_: BatchFileProvider
    meanwhile: Callable[[], Awaitable[object]]

    async def issue(self, orders: Sequence[IssueOrder]) -> Sequence[ProviderFile]:
        return await self.list_.issue(orders)

    async def red_letter(self, orders: Sequence[RedLetterOrder]) -> Sequence[ProviderFile]:
        return await self.list_.red_letter(orders)

    async def query(self, serials: Sequence[str]) -> Sequence[IssueResult]:
        await self.meanwhile()
        return await self.list_.query(serials)


async def imported(
    story: Story, row: Row, meanwhile: Callable[[], Awaitable[object]]
) -> ImportReport:
    """Import a list of one row; `meanwhile` happens before its accounts are locked."""
    file = ProviderFile("results.xlsx", workbook([HEADER, row]))
    provider = Interrupted(BatchFileProvider(load_layout(), result=file), meanwhile)
    async with story.database.transaction() as session:
        return await apply_results(session, story.clock, provider)


async def exported(story: Story) -> tuple[Firm, Fapiao]:
    """A fapiao over a paid invoice, in a batch."""
    firm, invoice = await paid_invoice(story)
    row = await request(firm, invoice)
    await export(story)
    return firm, row


async def status(firm: Firm, row: Fapiao) -> str:
    async with firm.story.database.transaction() as session:
        return (await get_fapiao(session, firm.account.id, row.id)).status


async def test_result_that_another_import_records_meanwhile_is_known(story: Story) -> None:
    _, row = await exported(story)
    listed = result(row, 1)
    report = await imported(story, listed, lambda: results(story, [listed]))
    assert (report.issued, report.known, report.problems) == ([], 1, [])


async def test_fapiao_that_is_rejected_meanwhile_is_not_issued(story: Story) -> None:
    firm, row = await exported(story)

    async def reject() -> None:
        async with story.database.transaction() as session:
            await reject_fapiao(session, story.clock, firm.account.id, row.id, "wrong name")

    (problem,) = (await imported(story, result(row, 1), reject)).problems
    assert problem[2] == "this fapiao is rejected"
    assert await status(firm, row) == "rejected"


async def test_fapiao_that_is_issued_meanwhile_is_not_rejected(story: Story) -> None:
    """An operator finds it, and a result list is imported before it is rejected."""
    firm, row = await exported(story)
    async with story.database.transaction() as session:
        found = await get_fapiao(session, firm.account.id, row.id)
        await results(story, [result(row, 1)])
        with pytest.raises(InvalidFapiaoState, match="is issued and cannot"):
            await reject_fapiao(session, story.clock, firm.account.id, found.id, "wrong name")
    assert await status(firm, row) == "issued"
