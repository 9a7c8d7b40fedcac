"""Tag breakdown of an invoice: the parts of each tag sum to the invoice lines."""

from collections.abc import Mapping
from fractions import Fraction
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from billing.invoice_documents.tag_breakdown import (
    MAX_TAGS,
    MAX_VALUES_PER_TAG,
    USAGE_KINDS,
    TagBreakdown,
    TagLineShare,
    TagShare,
    TagShareKind,
    TagUsage,
    divide_lines_by_tag,
    load_tag_usage,
)
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.quantities import NO_USAGE, Quantities
from billing.rating.statement import LineKind, ModelUsage, StatementLine, usage_lines
from billing.rating.terms import ModelPrice, PlanTerms
from billing.subscriptions.usage_totals import NO_TERMS_ID
from infra import ids
from infra.database.database import Database
from tests.support.billing.making import sql
from tests.support.billing.random_terms import plan_terms

TERMS = PlanTerms(
    plan="list",
    names={"en": "List", "zh": "列表"},
    currency="CNY",
    prices=(
        ModelPrice("llm", "input_tokens", PerUnit(10**6)),
        ModelPrice("llm", "cached_input_tokens", PerUnit(10**5)),
        ModelPrice("vib", "rows", PerUnit(10**7)),
    ),
)
VERSION = TERMS.version_id()
LLM, RUL = (VERSION, "llm", False), (VERSION, "vib", False)


def lines(*consumed: ModelUsage) -> list[StatementLine]:
    return usage_lines(TERMS, Fraction(1), consumed)


def shown(tag: TagBreakdown) -> list[tuple[str, int]]:
    return [(part.value or part.kind.value, part.minor) for part in tag.parts]


class TestTagDivision:
    def test_line_is_divided_by_units_of_each_value(self) -> None:
        """10 rows cost 10 fen: 6 rows of A-1, 3 of A-2, 1 without the tag."""
        usage = [
            TagUsage("order", "A-1", 1, {RUL: Quantities(rows=6)}),
            TagUsage("order", "A-2", 1, {RUL: Quantities(rows=3)}),
        ]
        tags = divide_lines_by_tag(
            lines(ModelUsage("vib", Quantities(rows=10))), {VERSION: TERMS}, usage
        )
        assert [tag.name for tag in tags] == ["order"]
        assert shown(tags[0]) == [("A-1", 6), ("A-2", 3), ("untagged", 1)]
        assert tags[0].parts[0].lines == (TagLineShare(1, 6, 6),)

    def test_values_are_sorted_by_amount_then_by_name(self) -> None:
        """The order does not depend on the totals; other values and untagged calls come last."""
        rows = {"A-1": 1, "A-3": 20, "B": 3, "A-2": 3}
        usage = [TagUsage("order", name, 1, {RUL: Quantities(rows=n)}) for name, n in rows.items()]
        usage.append(TagUsage("order", None, 7, {RUL: Quantities(rows=40)}))
        tag = divide_lines_by_tag(
            lines(ModelUsage("vib", Quantities(rows=100))), {VERSION: TERMS}, usage
        )[0]
        assert shown(tag) == [
            *(("A-3", 20), ("A-2", 3), ("B", 3), ("A-1", 1)),
            *(("others", 40), ("untagged", 33)),
        ]

    def test_each_tag_is_divided_separately(self) -> None:
        usage = [
            TagUsage("order", "A-1", 1, {RUL: Quantities(rows=10)}),
            TagUsage("machine", "M3", 1, {RUL: Quantities(rows=1)}),
        ]
        tags = divide_lines_by_tag(
            lines(ModelUsage("vib", Quantities(rows=10))), {VERSION: TERMS}, usage
        )
        assert [shown(tag) for tag in tags] == [[("A-1", 10)], [("M3", 1), ("untagged", 9)]]

    def test_cached_tokens_are_divided_separately_from_fresh_tokens(self) -> None:
        """100 tokens, 40 of them cached: 60 fresh tokens cost 6 fen, 40 cached tokens 0.4 fen,
        rounded to 0. A-1 has 30 fresh and 20 cached tokens."""
        usage = [TagUsage("order", "A-1", 1, {LLM: Quantities(50, 20)})]
        drafted = lines(ModelUsage("llm", Quantities(100, 40)))
        assert [line.minor for line in drafted] == [6, 0]
        part, rest = divide_lines_by_tag(drafted, {VERSION: TERMS}, usage)[0].parts
        assert part.lines == (TagLineShare(1, 30, 3), TagLineShare(2, 20, 0))
        assert rest.lines == (TagLineShare(1, 30, 3), TagLineShare(2, 20, 0))

    def test_late_usage_belongs_to_the_late_line(self) -> None:
        late = (VERSION, "vib", True)
        usage = [TagUsage("order", "A-1", 1, {late: Quantities(rows=4)})]
        drafted = lines(ModelUsage("vib", Quantities(rows=10), Quantities(rows=5)))
        part, rest = divide_lines_by_tag(drafted, {VERSION: TERMS}, usage)[0].parts
        assert part.lines == (TagLineShare(2, 4, 4),)
        assert rest.lines == (TagLineShare(1, 10, 10), TagLineShare(2, 1, 1))

    def test_tag_units_above_the_line_still_sum_to_the_line(self) -> None:
        usage = [TagUsage("order", "A-1", 1, {RUL: Quantities(rows=12)})]
        tag = divide_lines_by_tag(
            lines(ModelUsage("vib", Quantities(rows=10))), {VERSION: TERMS}, usage
        )[0]
        assert shown(tag) == [("A-1", 10)]

    def test_fees_are_not_divided_by_tag(self) -> None:
        usage = [TagUsage("order", "A-1", 1, {RUL: Quantities(rows=10)})]
        fee = StatementLine(LineKind.FIXED_FEE, 310_00, VERSION)
        tag = divide_lines_by_tag(
            [fee, *lines(ModelUsage("vib", Quantities(rows=10)))], {VERSION: TERMS}, usage
        )
        assert tag[0].parts[0].lines == (TagLineShare(2, 10, 10),)

    @given(st.data(), plan_terms())
    def test_parts_sum_to_every_line(self, data: st.DataObject, terms: PlanTerms) -> None:
        counts = st.integers(0, 40)
        quantities = st.builds(lambda a, b, c, d: Quantities(a + b, b, c, d), *[counts] * 4)
        models = sorted({price.model for price in terms.prices})
        version, consumed, usage = terms.version_id(), [], []
        values: list[dict[tuple[UUID, str, bool], Quantities]] = [{} for _ in range(3)]
        for model in models:
            pair = []
            for late in (False, True):
                total = data.draw(quantities)
                for value in values:
                    value[version, model, late] = data.draw(quantities)
                    total += value[version, model, late]
                pair.append(total)
            consumed.append(ModelUsage(model, *pair))
        usage = [TagUsage("t", str(at), 1, value) for at, value in enumerate(values)]
        drafted = usage_lines(terms, Fraction(1), consumed)
        (tag,) = divide_lines_by_tag(drafted, {version: terms}, usage)
        for number, line in enumerate(drafted, 1):
            mine = [one for part in tag.parts for one in part.lines if one.number == number]
            if line.kind in USAGE_KINDS:
                assert sum(one.minor for one in mine) == line.minor
                assert sum(one.quantity for one in mine) == line.quantity
            else:
                assert mine == []


class TestTagUsageQuery:
    async def put(
        self, database: Database, period: UUID, tag: str, value: str, rows: int, **more: object
    ) -> UUID:
        values: Mapping[str, object] = {"version": VERSION, "account": period, **more}
        await sql(
            database,
            "insert into usage_tag_total values (:period, :tag, :value, 'vib', :version, false, "
            ":account, 1, 0, 0, 0, :rows, :rows, 0, 0)",
            period=period,
            tag=tag,
            value=value,
            rows=rows,
            **values,
        )
        return period

    async def read(self, database: Database, period: UUID, account: UUID) -> list[TagUsage]:
        async with database.transaction() as session:
            return await load_tag_usage(session, account, period, VERSION)

    async def test_values_of_account_are_sorted_by_cost(self, database: Database) -> None:
        period = await self.put(database, ids.new_id(), "order", "A-1", 3)
        await self.put(database, period, "order", "A-2", 5)
        await self.put(database, period, "machine", "M", 9, account=ids.new_id())
        assert await self.read(database, period, period) == [
            TagUsage("order", "A-2", 1, {RUL: NO_USAGE + Quantities(rows=5)}),
            TagUsage("order", "A-1", 1, {RUL: NO_USAGE + Quantities(rows=3)}),
        ]

    async def test_usage_without_terms_is_added_to_list_price_usage(
        self, database: Database
    ) -> None:
        period = await self.put(database, ids.new_id(), "order", "A-1", 3)
        await self.put(database, period, "order", "A-1", 4, version=NO_TERMS_ID)
        (usage,) = await self.read(database, period, period)
        assert usage.quantities == {RUL: NO_USAGE + Quantities(rows=7)}

    async def test_numbers_of_values_and_tags_are_limited(self, database: Database) -> None:
        period = ids.new_id()
        for at in range(MAX_VALUES_PER_TAG + 3):
            await self.put(database, period, "order", f"A-{at:03}", 1000 - at)
        for at in range(MAX_TAGS + 1):
            await self.put(database, period, f"tag_{at:02}", "x", 900 - at)
        usage = await self.read(database, period, period)
        assert len({one.tag for one in usage}) == MAX_TAGS
        orders = [one for one in usage if one.tag == "order"]
        assert len(orders) == MAX_VALUES_PER_TAG + 1
        assert orders[0].value == "A-000"
        rest = NO_USAGE + Quantities(rows=900 + 899 + 898)
        assert orders[-1] == TagUsage("order", None, 3, {RUL: rest})

    async def test_values_over_limit_are_combined_as_others(self, database: Database) -> None:
        usage = [
            TagUsage("order", "A-1", 1, {RUL: Quantities(rows=6)}),
            TagUsage("order", None, 7, {RUL: Quantities(rows=4)}),
        ]
        tag = divide_lines_by_tag(
            lines(ModelUsage("vib", Quantities(rows=10))), {VERSION: TERMS}, usage
        )[0]
        assert tag.parts[1] == TagShare(TagShareKind.OTHERS, "", 7, (TagLineShare(1, 4, 4),))
        assert NO_USAGE == Quantities()
