"""Budgets of projects and keys as quotas: which apply to a call, and what they count."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from billing.metering.budget_periods import BudgetPeriod, BudgetQuotaRef
from billing.metering.budget_quotas import (
    find_budget_quotas,
    list_budget_states,
    list_key_budget_states,
    name_monthly_budget,
    set_budgets,
)
from billing.metering.budget_recounts import recount_recent
from billing.metering.corrections import record_cost_correction
from billing.metering.project_ids import parse_service_account_id, project_public_id
from billing.metering.quotas import LimitInvalid, find_call_quotas, month_start
from billing.metering.usage_log import QuotaCharge, SettledCall, write_usage_batch
from billing.tables import ApiKey, Project, QuotaKind
from infra import ids
from infra.database.direct import DirectConnection
from tests.support.billing.making import borrow, make_key, process, sql
from tests.support.billing.project_rows import add_project, use_in, with_budgets
from tests.support.stories.story import Firm, Story

DAY, MONTH, TOTAL = BudgetPeriod
YUAN = 10**9
# 1,000,000 nano-units a row of vib.
ROW = 10**6


@pytest.fixture
async def firm(story: Story) -> Firm:
    story.clock._now = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    return await story.firm()


async def applied(firm: Firm, project_id: UUID, at: datetime) -> tuple[BudgetQuotaRef, ...]:
    async with firm.story.database.transaction() as session:
        project = await session.get_one(Project, project_id)
        return await find_budget_quotas(session, project, at)


async def states(firm: Firm) -> dict[BudgetPeriod, tuple[int, int]]:
    """(limit, used) of all budgets of the only project with any."""
    async with firm.story.database.transaction() as session:
        found = await list_budget_states(session, firm.account.id, firm.story.clock.now())
    return {one.period: (one.amount, one.used) for one in found}


class TestPeriods:
    @pytest.mark.parametrize(
        ("period", "start", "end"),
        [
            (DAY, datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
            (MONTH, datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
            (TOTAL, datetime(1970, 1, 1, tzinfo=UTC), None),
        ],
    )
    def test_period_is_that_of_utc(
        self, period: BudgetPeriod, start: datetime, end: datetime | None
    ) -> None:
        at = datetime(2026, 12, 31, 17, 5, 6, 7, tzinfo=UTC)
        assert (period.start(at), period.end(at)) == (start, end)


class TestQuotasOfCalls:
    async def test_project_without_budget_has_no_quota(self, firm: Firm) -> None:
        project = await add_project(firm.story.database, firm.account.id, created_at=NOW)
        assert await applied(firm, project, NOW) == ()

    async def test_budget_applies_in_its_period_only(self, firm: Firm) -> None:
        """A new day and month have new quotas; the total stays. A removed budget has none."""
        project = await add_project(firm.story.database, firm.account.id, "涂装", created_at=NOW)
        await with_budgets(firm, project, day=3 * YUAN, month=5 * YUAN, total=9 * YUAN)
        first = {ref.period: ref for ref in await applied(firm, project, firm.story.clock.now())}
        await with_budgets(firm, project, month=None)
        later = {ref.period: ref for ref in await applied(firm, project, NEXT)}
        assert {period: ref.amount for period, ref in first.items()} == {
            DAY: 3 * YUAN,
            MONTH: 5 * YUAN,
            TOTAL: 9 * YUAN,
        }
        assert first[DAY].kind is QuotaKind.BUDGET
        assert (first[DAY].owner_name, first[DAY].resets_at) == ("涂装", NEXT)
        assert later.keys() == {DAY, TOTAL}
        assert later[TOTAL].id == first[TOTAL].id
        assert later[DAY].id != first[DAY].id

    async def test_other_calls_and_the_previous_version_do_not_find_a_project_quota(
        self, firm: Firm
    ) -> None:
        """The previous version looks for the start of the month, on any day of it."""
        project = await add_project(firm.story.database, firm.account.id, created_at=NOW)
        firm.story.clock._now = NEXT
        await with_budgets(firm, project, day=1, month=1, total=1)
        key_id = await make_key(firm.story.database, firm.account.id)
        async with firm.story.database.transaction() as session:
            found = await find_call_quotas(session, firm.account.id, key_id, NEXT)
        assert len(found) == 2  # credit and the key's budget
        query = (
            "select count(*) from quota where account_id = :account and kind = 'budget' "
            "and key_id is null and (period_start is null or period_start = :month)"
        )
        values = {"account": firm.account.id, "month": month_start(NEXT)}
        assert await sql(firm.story.database, query, **values) == [(0,)]


class TestCounting:
    async def test_new_budget_counts_what_its_periods_spent(self, firm: Firm) -> None:
        """From the totals, from rows not yet aggregated, and not from other projects."""
        project = await add_project(firm.story.database, firm.account.id, created_at=NOW)
        other = await add_project(firm.story.database, firm.account.id, "B", created_at=NOW)
        clock = firm.story.clock
        clock._now = datetime(2026, 9, 30, 12, tzinfo=UTC)
        await use_in(firm, project, rows=1)
        clock._now = datetime(2026, 10, 5, tzinfo=UTC)
        await use_in(firm, project, rows=10)
        await use_in(firm, other, rows=7)
        await firm.use("vib", rows=3)
        clock._now = NOW
        await firm.story.counts()
        await use_in(firm, project, rows=100)
        await with_budgets(firm, project, day=YUAN, month=YUAN, total=YUAN)
        assert await states(firm) == {
            DAY: (YUAN, 100 * ROW),
            MONTH: (YUAN, 110 * ROW),
            TOTAL: (YUAN, 111 * ROW),
        }

    async def test_default_project_counts_the_rest(self, firm: Firm) -> None:
        database, account_id = firm.story.database, firm.account.id
        default = await add_project(database, account_id, id=account_id, created_at=NOW)
        other = await add_project(database, account_id, "B", created_at=NOW)
        await firm.use("vib", rows=2)
        await use_in(firm, other, rows=5)
        await firm.story.counts()
        await firm.use("vib", rows=4)
        await use_in(firm, default, rows=8)
        await with_budgets(firm, default, month=YUAN)
        assert await states(firm) == {MONTH: (YUAN, 14 * ROW)}

    async def test_calls_that_ran_while_the_budget_was_set_are_counted_once(
        self, firm: Firm, connection: DirectConnection
    ) -> None:
        database, clock = firm.story.database, firm.story.clock
        project = await add_project(database, firm.account.id, created_at=NOW)
        await with_budgets(firm, project, day=YUAN)
        (quota,) = await applied(firm, project, clock.now())
        process_id = await process(database)
        await borrow(database, process_id, quota.id, 50 * ROW)
        charged = await use_in(firm, project, rows=1)  # a row like those of the calls below
        call = replace(charged, request_id=ids.new_id(), cost_nano=20 * ROW)
        settled = SettledCall(call, (QuotaCharge(quota.id, 20 * ROW),))
        assert await write_usage_batch(connection, process_id, [], [settled])
        assert await states(firm) == {DAY: (YUAN, 20 * ROW)}
        for _ in range(2):
            async with database.transaction() as session:
                assert await recount_recent(session, clock.now()) == 1
            assert await states(firm) == {DAY: (YUAN, 21 * ROW)}
        clock.pass_(hours=2)
        async with database.transaction() as session:
            assert await recount_recent(session, clock.now()) == 0

    async def test_budget_below_what_is_spent_is_accepted(self, firm: Firm) -> None:
        project = await add_project(firm.story.database, firm.account.id, created_at=NOW)
        await use_in(firm, project, rows=5)
        await with_budgets(firm, project, total=ROW)
        assert await states(firm) == {TOTAL: (ROW, 5 * ROW)}

    async def test_invalid_budget_is_refused(self, firm: Firm) -> None:
        project = await add_project(firm.story.database, firm.account.id, created_at=NOW)
        with pytest.raises(LimitInvalid):
            await with_budgets(firm, project, day=-1)

    async def test_budget_without_a_quota_yet_has_spent_nothing(self, firm: Firm) -> None:
        project = await add_project(firm.story.database, firm.account.id, created_at=NOW)
        await use_in(firm, project, rows=5)
        await with_budgets(firm, project, day=YUAN)
        firm.story.clock._now = NEXT
        assert await states(firm) == {DAY: (YUAN, 0)}


class TestPublicIds:
    def test_row_without_project_is_of_the_default_project(self) -> None:
        account_id, project_id = ids.new_id(), ids.new_id()
        assert project_public_id(None, account_id) == f"proj_{account_id.hex}"
        assert project_public_id(project_id, account_id) == f"proj_{project_id.hex}"
        assert project_public_id(None, None) is None

    def test_service_account_id_has_two_underscores(self) -> None:
        found = ids.new_id()
        assert parse_service_account_id(ids.format_id("svc_acct", found)) == found
        for wrong in (ids.format_id("acct", found), "svc_acct_", "", "svc_acct_" + "g" * 32):
            assert parse_service_account_id(wrong) is None


NOW = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
NEXT = datetime(2026, 11, 1, tzinfo=UTC)


class TestCorrections:
    async def test_corrected_cost_is_credited_to_the_budgets_of_the_call(self, firm: Firm) -> None:
        """And stays credited when the budget is counted again; another project's is unchanged."""
        database, clock = firm.story.database, firm.story.clock
        project = await add_project(database, firm.account.id, created_at=NOW)
        other = await add_project(database, firm.account.id, "B", created_at=NOW)
        await use_in(firm, other, rows=5)
        call = await use_in(firm, project, rows=5)
        await with_budgets(firm, project, day=YUAN, month=YUAN, total=YUAN)
        assert set((await states(firm)).values()) == {(YUAN, 5 * ROW)}
        async with database.transaction() as session:
            await record_cost_correction(
                session, clock, firm.account.id, call.request_id, 5 * ROW, 3 * ROW
            )
        assert set((await states(firm)).values()) == {(YUAN, 3 * ROW)}
        async with database.transaction() as session:
            await recount_recent(session, clock.now())
        assert set((await states(firm)).values()) == {(YUAN, 3 * ROW)}


class TestReconciliation:
    async def test_budget_that_counts_something_else_is_reported(self, firm: Firm) -> None:
        database = firm.story.database
        project = await add_project(database, firm.account.id, created_at=NOW)
        await use_in(firm, project, rows=5)
        await with_budgets(firm, project, day=YUAN, month=YUAN, total=YUAN)
        assert await firm.story.differences() == ()
        changed = (
            "update quota set used = used + 1 where project_id = :project and scope like '%day' "
            "returning id::text"
        )
        ((quota_id,),) = await sql(database, changed, project=project)
        (found,) = await firm.story.differences()
        assert found.check == "Project budget used equals the cost of the project's calls"
        assert quota_id in repr(found)


def test_project_with_the_id_of_its_account_is_the_default() -> None:
    account_id, now = ids.new_id(), datetime(2026, 10, 1, tzinfo=UTC)
    default = Project(id=account_id, account_id=account_id, name="", created_at=now)
    other = Project(id=ids.new_id(), account_id=account_id, name="Line 1", created_at=now)
    assert (default.is_default, other.is_default) == (True, False)


class TestKeys:
    """Budgets of a key per day and in total. Its month is counted from the first call."""

    @pytest.fixture(autouse=True)
    async def key(self, firm: Firm) -> None:
        firm.key_id = await make_key(firm.story.database, firm.account.id)

    async def test_budgets_count_the_key_of_the_call_in_their_periods(self, firm: Firm) -> None:
        clock = firm.story.clock
        clock._now = datetime(2026, 10, 30, 12, tzinfo=UTC)
        await firm.use("vib", key=firm.key_id, rows=1)
        clock._now = NOW
        await firm.story.counts()
        await firm.use("vib", key=firm.key_id, rows=10)
        other = await make_key(firm.story.database, firm.account.id)
        await firm.use("vib", key=other, rows=100)
        await with_key_budgets(firm, DAY=2 * YUAN, TOTAL=3 * YUAN)
        assert await key_states(firm) == {DAY: (2 * YUAN, 10 * ROW), TOTAL: (3 * YUAN, 11 * ROW)}
        clock._now = NEXT
        assert await key_states(firm) == {DAY: (2 * YUAN, 0), TOTAL: (3 * YUAN, 11 * ROW)}
        await with_key_budgets(firm, DAY=None)
        assert await key_states(firm) == {TOTAL: (3 * YUAN, 11 * ROW)}
        clock.pass_(hours=2)
        assert await firm.story.differences() == ()

    async def test_quotas_name_the_key_and_the_reset(self, firm: Firm) -> None:
        await with_key_budgets(firm, DAY=YUAN, TOTAL=2 * YUAN)
        database, now = firm.story.database, firm.story.clock.now()
        async with database.transaction() as session:
            key = await session.get_one(ApiKey, firm.key_id)
            monthly = await find_call_quotas(session, firm.account.id, key.id, now)
            found = [
                *name_monthly_budget(monthly, key, now),
                *await find_budget_quotas(session, key, now),
            ]
        refs = [ref for ref in found if isinstance(ref, BudgetQuotaRef)]
        assert {ref.period: (ref.amount, ref.resets_at) for ref in refs} == {
            DAY: (YUAN, NEXT),
            MONTH: (None, NEXT),
            TOTAL: (2 * YUAN, None),
        }
        assert {(ref.owner_name, ref.is_key_quota) for ref in refs} == {(key.name, True)}
        assert [ref.kind for ref in found if ref not in refs] == [QuotaKind.CREDIT]

    async def test_correction_and_recount_apply_to_the_budgets_of_the_key(self, firm: Firm) -> None:
        database, clock = firm.story.database, firm.story.clock
        call = await firm.use("vib", key=firm.key_id, rows=5)
        await with_key_budgets(firm, DAY=YUAN, TOTAL=YUAN)
        async with database.transaction() as session:
            await record_cost_correction(
                session, clock, firm.account.id, call.request_id, 5 * ROW, 3 * ROW
            )
        assert set((await key_states(firm)).values()) == {(YUAN, 3 * ROW)}
        await firm.use(
            "vib", key=firm.key_id, rows=4
        )  # ended after the budget was set, admitted before
        async with database.transaction() as session:
            assert await recount_recent(session, clock.now()) == 2
        assert set((await key_states(firm)).values()) == {(YUAN, 7 * ROW)}

    async def test_budget_of_a_key_that_counts_something_else_is_reported(self, firm: Firm) -> None:
        await firm.use("vib", key=firm.key_id, rows=5)
        await with_key_budgets(firm, DAY=YUAN)
        changed = "update quota set used = used + 1 where scope like '%day' returning id::text"
        ((quota_id,),) = await sql(firm.story.database, changed)
        (found,) = await firm.story.differences()
        assert found.check == "Key budget used equals the cost of the key's calls"
        assert (found.subject, found.recorded, found.expected) == (quota_id, 5 * ROW + 1, 5 * ROW)


async def with_key_budgets(firm: Firm, **budgets: int | None) -> None:
    async with firm.story.database.transaction() as session:
        key = await session.get_one(ApiKey, firm.key_id)
        amounts = {BudgetPeriod[period]: amount for period, amount in budgets.items()}
        await set_budgets(session, key, amounts, firm.story.clock.now())


async def key_states(firm: Firm) -> dict[BudgetPeriod, tuple[int, int]]:
    """(limit, used) of the budgets of the firm's key."""
    async with firm.story.database.transaction() as session:
        now = firm.story.clock.now()
        found = await list_key_budget_states(session, firm.account.id, now)
    assert {one.owner_id for one in found} <= {firm.key_id}
    return {one.period: (one.amount, one.used) for one in found}
