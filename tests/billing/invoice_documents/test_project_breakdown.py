"""Sections of an invoice by project: their amounts sum to the usage exactly."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from billing.invoice_documents.builder import build_invoice_document
from billing.invoice_documents.project_breakdown import divide_lines_by_project
from billing.invoice_documents.rendering.pdf import render_invoice_pdf
from billing.invoice_documents.tag_breakdown import USAGE_KINDS, TagUsage
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.quantities import Quantities
from billing.rating.statement import ModelUsage, usage_lines
from billing.rating.terms import ModelPrice, PlanTerms
from infra import ids
from tests.support.billing.pdf_reading import pages
from tests.support.billing.project_rows import add_project, use_in
from tests.support.stories.story import Story

TERMS = PlanTerms(
    plan="list",
    names={"en": "List", "zh": "列表"},
    currency="CNY",
    prices=(ModelPrice("vib", "rows", PerUnit(10**7)),),
)
VERSION = TERMS.version_id()
RUL = (VERSION, "vib", False)


class TestDivision:
    def test_rest_of_a_line_is_of_the_default_project(self) -> None:
        """10 rows cost 10 fen: 6 of the first, 3 of the second, 1 of the default project."""
        account, first, second = ids.new_id(), ids.new_id(), ids.new_id()
        usage = [
            TagUsage("project", first.hex, 1, {RUL: Quantities(rows=6)}),
            TagUsage("project", second.hex, 1, {RUL: Quantities(rows=3)}),
        ]
        lines = usage_lines(TERMS, Fraction(1), [ModelUsage("vib", Quantities(rows=10))])
        names = {first: "Line 1", second: "Line 2"}
        sections = divide_lines_by_project(account, lines, {VERSION: TERMS}, usage, names)
        assert [(one.project_id, one.name, one.minor) for one in sections] == [
            (first, "Line 1", 6),
            (second, "Line 2", 3),
            (account, "Default project", 1),
        ]

    def test_usage_of_the_default_project_alone_has_no_sections(self) -> None:
        lines = usage_lines(TERMS, Fraction(1), [ModelUsage("vib", Quantities(rows=10))])
        assert divide_lines_by_project(ids.new_id(), lines, {VERSION: TERMS}, [], {}) == ()

    @given(st.lists(st.integers(1, 10**6), min_size=1, max_size=7), st.integers(0, 10**6))
    def test_sections_sum_to_the_usage(self, rows: list[int], rest: int) -> None:
        terms = replace(TERMS, prices=(ModelPrice("vib", "rows", PerUnit(3_333_333)),))
        version = terms.version_id()
        usage = [
            TagUsage("project", ids.new_id().hex, 1, {(version, "vib", False): Quantities(rows=n)})
            for n in rows
        ]
        total = Quantities(rows=sum(rows) + rest)
        lines = usage_lines(terms, Fraction(1), [ModelUsage("vib", total)])
        sections = divide_lines_by_project(ids.new_id(), lines, {version: terms}, usage, {})
        assert sum(one.minor for one in sections) == sum(line.minor for line in lines)


class TestInvoice:
    async def test_invoice_has_a_section_per_project(self, story: Story) -> None:
        """By hand: vib costs ¥0.001 a row. 3,335 rows cost ¥3.34 after rounding (3.335).

        Line 3 has 1,250 rows, the old line of the same name 2,000, the default project 85. The
        334 fen are divided by units: 125.19, 200.30 and 8.51, so the fen left goes to the largest
        remainder: 125 + 200 + 9.
        """
        story.clock.set(2026, 10, 12)
        firm = await story.firm(locale="zh")
        account_id, at = firm.account.id, datetime(2026, 10, 1, tzinfo=UTC)
        project = await add_project(story.database, account_id, "三号线", created_at=at)
        old = await add_project(story.database, account_id, "三号线", created_at=at, archived_at=at)
        await use_in(firm, project, rows=1_250)
        await use_in(firm, old, rows=2_000)
        await firm.use("vib", rows=85)
        await story.until(2026, 11, 5)
        (invoice,) = await firm.invoices()
        async with story.database.transaction() as session:
            document = await build_invoice_document(session, account_id, invoice.id)
        sections = {one.project_id: one for one in document.projects}
        assert {key: one.minor for key, one in sections.items()} == {
            old: 200,
            project: 125,
            account_id: 9,
        }
        usage = [line.line.minor for line in document.lines if line.line.kind in USAGE_KINDS]
        assert sum(one.minor for one in sections.values()) == sum(usage) == 334
        assert sections[project].name == f"三号线 (proj_{project.hex})"
        assert document.project_name(sections[account_id]) == "默认项目"
        shown = document.to_json()["projects"]
        assert shown[-1] == {
            "project_id": f"proj_{account_id.hex}",
            "name": "Default project",
            "amount": "0.09",
            "lines": [{"line": 1, "quantity": 85, "amount": "0.09"}],
        }
        text = "".join(pages(render_invoice_pdf(document)))
        assert "按项目分摊的用量" in text
        assert "2.00" in text
