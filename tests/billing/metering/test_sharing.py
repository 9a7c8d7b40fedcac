"""Quota sharing: several processes never exceed the caps of the quotas that they share.

Hypothesis drives processes through calls, lost responses, failures and restarts on a real
PostgreSQL, and reconciles all records after each step.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from billing.accounts.account_creation import AccountLimits
from billing.metering.allowances import (
    AllowanceKey,
    create_missing_allowances,
    find_allowance_quotas,
    set_allowance_quotas,
)
from billing.metering.leases import recall_leases
from billing.metering.process_reaper import (
    ReapedProcess,
    delete_expired_rows,
    end_process,
    reap_expired_process,
)
from billing.metering.quotas import add_credit_entry, set_budget, set_limit, sum_credit_entries
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.terms import ModelPrice, PlanTerms
from billing.reconciliation.usage_and_quotas import reconcile
from billing.subscriptions.plans import publish_plan
from billing.tables import CreditReason, QuotaKind
from gateway.quota.demand import Demand
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.borrower import DEMAND, PRICE, Borrower, Fate
from tests.support.billing.making import CLOCK, customer, sql, with_key
from tests.support.builders import empty
from tests.support.chaos import in_full

_PROCESSES = 3
_TERMS = AccountLimits(credit_nano=20_000, requests=40, tokens=5_000, streams=4)
_PRICES = {"input_tokens": 1, "output_tokens": PRICE}
_RATES = (QuotaKind.REQUESTS, QuotaKind.TOKENS, QuotaKind.STREAMS)

_MEMBERS = st.integers(0, _PROCESSES - 1)
_FATES = st.sampled_from([Fate.HEARD] * 4 + [Fate.LOST, Fate.LOST, Fate.FAILED])
_PARTS = st.floats(0, 1)


class Sharing(RuleBasedStateMachine):
    """Several processes, one account with two keys, and a plan that includes output tokens."""

    def __init__(self, url: str) -> None:
        super().__init__()
        empty(url)
        self.now = 0.0
        self.taken: dict[str, int] = {}
        self.charged: dict[UUID, int] = {}
        self.runner = asyncio.Runner()
        self.database = Database(url, pool_size=_PROCESSES)
        self.connections = [DirectConnection(url, 30.0) for _ in range(_PROCESSES)]
        self.members: list[Borrower] = []
        self.runner.run(self._open())

    async def _open(self) -> None:
        first = await customer(self.database, _TERMS)
        self.customers = [first, await with_key(self.database, first.account_id)]
        async with self.database.transaction() as session:
            await set_budget(session, CLOCK, first.account_id, first.key_id, 9_000)
            await publish_plan(session, CLOCK, _PLAN)
            await create_missing_allowances(session, first.account_id, _INCLUDED)
            place, version_id = (first.account_id, _SINCE), _PLAN.version_id()
            self.allowances = (await find_allowance_quotas(session, *place, [version_id]))[
                version_id
            ]
        self.members = [await self._join(connection) for connection in self.connections]

    async def _join(self, connection: DirectConnection) -> Borrower:
        member = Borrower(self.database, connection, _PLAN.version_id())
        member.charged = self.charged
        await member.join()
        return member

    @rule(
        member=_MEMBERS,
        key=st.integers(0, 1),
        output=st.integers(1, 1_500),
        stream=st.booleans(),
        opened=st.booleans(),
        fate=_FATES,
    )
    def call(
        self, member: int, key: int, output: int, stream: bool, opened: bool, fate: Fate
    ) -> None:
        demand = self._demand(key, output, stream)
        self.runner.run(
            self.members[member].call(self.customers[key], demand, opened, self.now, fate)
        )

    @rule(outputs=st.lists(st.integers(1, 1_500), min_size=_PROCESSES, max_size=_PROCESSES))
    def all_call_at_once(self, outputs: list[int]) -> None:
        async def together() -> None:
            calls = [
                member.call(
                    self.customers[place % 2],
                    self._demand(place % 2, output, True),
                    True,
                    self.now,
                    Fate.HEARD,
                )
                for place, (member, output) in enumerate(zip(self.members, outputs, strict=True))
            ]
            await asyncio.gather(*calls)

        self.runner.run(together())

    @rule(place=st.integers(0, 20), part=_PARTS, tokens=st.integers(0, 1_600), fate=_FATES)
    def end(self, place: int, part: float, tokens: int, fate: Fate) -> None:
        # Nothing is drawn from what runs: of calls at once, chance decides which are admitted.
        running = [(member, call) for member in self.members for call in member.calls]
        if not running:
            return
        member, call = running[place % len(running)]
        if call.settled is None:
            self.runner.run(member.end(call, part, tokens, self.now, fate))
        else:
            self.runner.run(member.write(self.now, fate))

    @rule(member=_MEMBERS, shrink=st.booleans(), fate=_FATES)
    def tick(self, member: int, shrink: bool, fate: Fate) -> None:
        self.runner.run(self.members[member].tick(shrink, self.now, fate))

    @rule(seconds=st.floats(0, 70))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(kinds=st.sets(st.sampled_from(list(QuotaKind)), min_size=1))
    def ask_the_others(self, kinds: set[QuotaKind]) -> None:
        async def ask() -> None:
            async with self.database.transaction() as session:
                quotas = [*self.customers[0].quotas, *self.allowances]
                await recall_leases(session, [one.id for one in quotas if one.kind in kinds])

        self.runner.run(ask())

    @rule(kind=st.sampled_from(list(QuotaKind)), amount=st.integers(0, 30_000))
    def limit(self, kind: QuotaKind, amount: int) -> None:
        async def change() -> None:
            owner = self.customers[0]
            async with self.database.transaction() as session:
                if kind is QuotaKind.BUDGET:
                    await set_budget(session, CLOCK, owner.account_id, owner.key_id, amount)
                elif kind is QuotaKind.ALLOWANCE:
                    left = dict.fromkeys(_INCLUDED, amount // 20)
                    await set_allowance_quotas(session, owner.account_id, left, {})
                elif kind in _RATES:
                    await set_limit(session, owner.account_id, kind, amount // 100)
                else:
                    more = amount - await sum_credit_entries(session, owner.account_id)
                    reason = CreditReason.CREDIT_LIMIT
                    await add_credit_entry(session, CLOCK, owner.account_id, reason, more)

        self.runner.run(change())

    @rule(member=_MEMBERS)
    def kill(self, member: int) -> None:
        """The process loses its state, and a new process replaces it."""
        self.runner.run(self._expire(self.members[member]))
        self.members[member] = self.runner.run(self._join(self.connections[member]))

    @rule(member=_MEMBERS)
    def be_slow(self, member: int) -> None:
        """The process's row expires while the process keeps running."""
        self.runner.run(self._expire(self.members[member]))

    @rule(member=_MEMBERS)
    def renew(self, member: int) -> None:
        self.runner.run(self.members[member].keep())

    @rule()
    def reap(self) -> None:
        """Two concurrent reapers reap every expired process, each process once."""

        async def all_of() -> list[UUID]:
            found: list[UUID] = []
            while (ended := await self._reap_one()) is not None:
                found.append(ended.process_id)
            return found

        async def both() -> list[UUID]:
            one, other = await asyncio.gather(all_of(), all_of())
            return one + other

        reaped = self.runner.run(both())
        assert len(reaped) == len(set(reaped))

    @rule()
    def pass_a_minute_for_the_dead(self) -> None:
        self.runner.run(self._tidy_later())

    @invariant()
    def all_is_well(self) -> None:
        self.runner.run(self._check())

    async def _check(self) -> None:
        async with self.database.transaction() as session:
            # First, since it reads all in one snapshot.
            assert (await reconcile(session)).differences == ()
            quotas = await session.execute(text(_QUOTAS))
            lent = (await session.execute(text(_LENT))).all()
        self._caps_hold(quotas.all())
        self._what_calls_hold_is_lent({(row[0], row[1]): row[2] for row in lent})

    def _caps_hold(self, quotas: Sequence[Any]) -> None:
        """Used and leased units exceed only an amount that was lowered, and do not grow then."""
        for quota_id, amount, taken in quotas:
            assert amount is None or taken <= max(amount, self.taken.get(quota_id, 0))
            self.taken[quota_id] = taken

    def _what_calls_hold_is_lent(self, lent: Mapping[tuple[UUID, str], int]) -> None:
        """Reserved units are leased to their process, unless it was ended without noticing yet."""
        known = {process_id for process_id, _ in lent}
        for member in self.members:
            for quota_id in member.holdings.quota_ids():
                lease = member.holdings.get_lease(quota_id)
                lease.available(self.now)
                if lease.reserved and member.process_id in known:
                    assert lent[member.process_id, quota_id] >= lease.used + lease.reserved

    def teardown(self) -> None:
        try:
            self.runner.run(self._end_all())
            self._all_is_given_back_and_spent_is_what_calls_cost()
        finally:
            self.runner.run(self._close())
            self.runner.close()

    def _all_is_given_back_and_spent_is_what_calls_cost(self) -> None:
        assert self._sql("select 1 from quota where leased <> 0") == []
        assert self._sql("select 1 from quota_lease") == []
        assert self._sql("select 1 from intent") == []
        costs = dict(self._sql("select request_id, cost_nano from usage"))
        assert {one: cost for one, cost in costs.items() if cost} == {
            one: cost for one, cost in self.charged.items() if cost
        }
        assert self.charged.keys() <= costs.keys()
        for kind in ("credit", "budget"):
            spent = self._sql(f"select sum(used) from quota where kind = '{kind}'")
            assert spent[0][0] == sum(costs.values())
        used = self._sql(
            "select id::text, used from quota where kind = 'included_units' and used > 0"
        )
        assert dict(used) == dict(self._sql(_TAKEN))

    async def _end_all(self) -> None:
        await asyncio.gather(*(self._expire(member) for member in self.members))
        for member in self.members:
            async with self.database.transaction() as session:
                await end_process(session, member.process_id, CLOCK.now())
        while await self._reap_one() is not None:
            pass
        await self._tidy_later()

    async def _close(self) -> None:
        await asyncio.gather(*(connection.close() for connection in self.connections))
        await self.database.close()

    async def _expire(self, member: Borrower) -> None:
        await sql(
            self.database,
            "update gateway_process set expires_at = now() - interval '1 second' where id = :id",
            id=member.process_id,
        )

    async def _reap_one(self) -> ReapedProcess | None:
        async with self.database.transaction() as session:
            return await reap_expired_process(session, CLOCK.now())

    async def _tidy_later(self) -> None:
        await sql(
            self.database, "update gateway_process set ended_at = ended_at - interval '61 seconds'"
        )
        async with self.database.transaction() as session:
            await delete_expired_rows(session)

    def _demand(self, key: int, output: int, stream: bool) -> Demand:
        quotas = self.customers[key].quotas
        return replace(
            DEMAND,
            output_tokens=output,
            streams=int(stream),
            quotas=quotas,
            allowances=self.allowances,
        )

    def _sql(self, statement: str) -> list[Any]:
        return list(self.runner.run(sql(self.database, statement)))


_SINCE = datetime(2020, 1, 1, tzinfo=UTC)
_PLAN = PlanTerms(
    plan="shared",
    names={"en": "Shared", "zh": "共享"},
    currency="CNY",
    prices=(ModelPrice("m", "output_tokens", PerUnit(PRICE)),),
)
_INCLUDED = {
    AllowanceKey(_SINCE, _PLAN.version_id(), "m", "output_tokens"): 1_000,
    AllowanceKey(_SINCE, _PLAN.version_id(), "*", "output_tokens"): 2_000,
}
_TAKEN = """
    select q.key, sum(q.value::bigint) from usage u
    cross join lateral jsonb_each_text(u.covered -> 'output_tokens') q
    group by 1 having sum(q.value::bigint) > 0
"""
_QUOTAS = "select id::text, amount, used + leased from quota"
_LENT = """
    select p.id, coalesce(l.quota_id::text, ''), coalesce(l.borrowed, 0)
    from gateway_process p left join quota_lease l on l.process_id = p.id where p.ended_at is null
"""


class TestConcurrentQuotaSharing:
    def test_random_calls_losses_and_restarts_keep_caps_and_records_consistent(
        self, database_url: str
    ) -> None:
        run_state_machine_as_test(
            lambda: Sharing(database_url),
            settings=settings(
                max_examples=in_full(200, 5),
                stateful_step_count=25,
                suppress_health_check=list(HealthCheck),
            ),
        )


class TestLostCommitConfirmations:
    """Minimal cases of errors that the state machine above found."""

    def test_included_units_that_were_returned_unheard_are_not_reserved_by_the_next_call(
        self, database_url: str
    ) -> None:
        """The next call borrows only units of its model, as these seem to suffice. Those of all
        models were returned before, without a confirmation."""
        state = Sharing(database_url)
        heard = Fate.HEARD
        try:
            for member, output, fate in (
                *((0, 644, heard), (2, 500, heard)),
                *((0, 412, Fate.LOST), (0, 287, heard)),
            ):
                state.call(member, 0, output, False, False, fate)
                state.all_is_well()
        finally:
            state.teardown()
