"""Cost breakdown of one call."""

from dataclasses import replace
from typing import Any

import pytest

from billing.metering.usage import UsageRecord
from billing.reports.call_cost import CallCost, CallNotFound, MeterCost, get_call_cost
from billing.tables import Settlement
from infra import ids
from infra.database.database import Database
from tests.support.billing.making import append
from tests.support.stories.story import Firm, Story


@pytest.fixture
async def firm(database: Database) -> Firm:
    return await Story(database).firm()


async def priced(firm: Firm, record: UsageRecord) -> CallCost:
    async with firm.story.database.transaction() as session:
        return await get_call_cost(session, firm.account.id, record.request_id)


async def again(firm: Firm, record: UsageRecord, **values: Any) -> UsageRecord:
    """Append a copy of the call with changed values."""
    other = replace(record, request_id=ids.new_id(), **values)
    await append(firm.story.database, other)
    return other


class TestCallCostParts:
    async def test_cost_has_one_part_per_meter(self, firm: Firm) -> None:
        units = {"input_tokens": 100, "cached_input_tokens": 40, "output_tokens": 7}
        found = await priced(firm, await firm.use("llm", **units))
        assert {part.meter: part.nano for part in found.parts} == {
            "input_tokens": 60 * 500,
            "cached_input_tokens": 40 * 100,
            "output_tokens": 7 * 2_000,
        }
        assert found.terms is not None
        assert (found.terms.plan, found.waived) == ("list", 0)

    async def test_included_units_are_not_charged(self, firm: Firm) -> None:
        record = await firm.use("vib", rows=10)
        covered = {"rows": {str(ids.new_id()): 4}}
        found = await priced(firm, await again(firm, record, covered=covered, cost_nano=6_000_000))
        assert found.parts == (MeterCost("rows", 10, 4, 1_000_000),)
        assert found.waived == 0

    async def test_cost_below_list_price_is_waived(self, firm: Firm) -> None:
        record = await firm.use("vib", rows=10)
        found = await priced(firm, await again(firm, record, cost_nano=9_000_000))
        assert found.waived == 1_000_000


class TestCallCostWithoutParts:
    @pytest.mark.parametrize("settlement", [Settlement.PLATFORM_FAULT, Settlement.REFUSED])
    async def test_unbilled_call_has_no_parts(self, firm: Firm, settlement: Settlement) -> None:
        found = await priced(firm, await firm.use("vib", settlement=settlement, rows=1))
        assert found.parts == ()

    async def test_call_without_plan_version_has_no_terms_and_no_parts(self, firm: Firm) -> None:
        record = await firm.use("vib", rows=1)
        found = await priced(firm, await again(firm, record, plan_version_id=None))
        assert (found.terms, found.parts) == (None, ())

    async def test_call_with_unknown_plan_version_has_no_terms(self, firm: Firm) -> None:
        record = await firm.use("vib", rows=1)
        found = await priced(firm, await again(firm, record, plan_version_id=ids.new_id()))
        assert found.terms is None

    async def test_call_without_model_has_no_parts(self, firm: Firm) -> None:
        record = await firm.use("vib", rows=0)
        found = await priced(firm, await again(firm, record, model=None))
        assert found.parts == ()


class TestCallCostErrors:
    async def test_unknown_call_raises_call_not_found(self, firm: Firm) -> None:
        async with firm.story.database.transaction() as session:
            with pytest.raises(CallNotFound):
                await get_call_cost(session, firm.account.id, ids.new_id())

    async def test_call_of_another_account_raises_call_not_found(self, firm: Firm) -> None:
        record = await firm.use("vib", rows=1)
        other = await firm.story.firm("Other")
        with pytest.raises(CallNotFound):
            await priced(other, record)
