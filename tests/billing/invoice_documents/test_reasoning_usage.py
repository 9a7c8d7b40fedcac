"""Reasoning tokens on an invoice: shown in the line of the output tokens, and priced with them."""

from uuid import UUID

import pytest

from billing.invoice_documents.builder import build_invoice_preview
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.reasoning_usage import line_reasoning_tokens, load_reasoning_tokens
from billing.invoice_documents.values import DocumentLine
from billing.rating.quantities import Quantities
from billing.rating.statement import LineKind, StatementLine
from billing.subscriptions.usage_totals import aggregate_usage
from infra.database.database import Database
from tests.support.billing.making import append, call, sql
from tests.support.stories.story import Firm, Story

VERSION, LIST = UUID(int=7), UUID(int=8)


@pytest.fixture
async def firm(database: Database) -> Firm:
    story = Story(database)
    firm = await story.firm()
    story.clock.set(2026, 10, 12)
    return firm


async def previewed(firm: Firm, locale: str | None = None) -> InvoiceDocument:
    await firm.story.counts()
    async with firm.story.database.transaction() as session:
        return await build_invoice_preview(session, firm.story.clock, firm.account.id, locale)


def output_line(document: InvoiceDocument) -> DocumentLine:
    (line,) = [one for one in document.lines if one.line.meter == "output_tokens"]
    return line


async def test_reasoning_is_shown_as_a_part_of_the_output_tokens(firm: Firm) -> None:
    await firm.use("llm", input_tokens=9, output_tokens=400_000, reasoning_tokens=300_000)
    await firm.use("llm", output_tokens=100_000)
    line = output_line(await previewed(firm))
    assert line.description == "llm：输出 token（其中思考 300,000 token）"
    assert (line.line.quantity, line.line.minor) == (500_000, 100)
    assert line.reasoning_tokens == line.to_json("CNY")["reasoning_tokens"] == 300_000
    english = output_line(await previewed(firm, "en"))
    assert english.description == "llm: output tokens, including 300,000 reasoning tokens"


async def test_lines_without_reasoning_are_unchanged(firm: Firm) -> None:
    await firm.use("llm", output_tokens=500_000, reasoning_tokens=0)
    line = output_line(await previewed(firm))
    assert (line.description, line.reasoning_tokens) == ("llm：输出 token", None)


async def test_usage_without_terms_belongs_to_the_price_list(firm: Firm) -> None:
    story, at = firm.story, firm.story.clock.now()
    for version, tokens in ((None, 1), (LIST, 2), (VERSION, 4)):
        used = Quantities(output_tokens=9, reasoning_tokens=tokens)
        await append(
            story.database,
            call(firm.account.id, at, model="llm", quantities=used, plan_version_id=version),
        )
    async with story.database.transaction() as session:
        await aggregate_usage(session, story.clock)
    ((period,),) = await sql(story.database, "select distinct period_id from usage_total")
    async with story.database.transaction() as session:
        found = await load_reasoning_tokens(session, firm.account.id, period, LIST)
    assert found == {(LIST, "llm", False): 3, (VERSION, "llm", False): 4}


@pytest.mark.parametrize(
    ("kind", "meter", "tokens"),
    [
        (LineKind.USAGE, "output_tokens", 3),
        (LineKind.LATE_USAGE, "output_tokens", 5),
        (LineKind.USAGE, "input_tokens", None),
        (LineKind.DISCOUNT, "output_tokens", None),
        (LineKind.FIXED_FEE, None, None),
    ],
)
def test_only_lines_of_output_tokens_have_reasoning(
    kind: LineKind, meter: str | None, tokens: int | None
) -> None:
    line = StatementLine(kind, 1, VERSION, "llm", meter)
    reasoning = {(VERSION, "llm", False): 3, (VERSION, "llm", True): 5}
    assert line_reasoning_tokens(line, reasoning) == tokens
