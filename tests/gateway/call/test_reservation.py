"""Reservations: borrowed units are used, reserved or available, in any order of events."""

from dataclasses import dataclass
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from billing.tables import QuotaKind
from gateway.call.reservation import Lease, QuotaUnits, Reservation, ReservedUnits, reserve_all
from infra import ids
from tests.support.chaos import in_full
from tests.support.gateway.quotas import ALL, KINDS, allowance, quota

PROCESS = ids.new_id()
INCLUDED = allowance("output_tokens")
CREDIT, BUDGET, REQUESTS, TOKENS, STREAMS = (
    QuotaKind.CREDIT,
    QuotaKind.BUDGET,
    QuotaKind.REQUESTS,
    QuotaKind.TOKENS,
    QuotaKind.STREAMS,
)


def lease(kind: QuotaKind, borrowed: int) -> Lease:
    made = Lease(kind)
    made.borrowed = borrowed
    return made


def held(made: Lease, units: int, now: float = 0.0, process_id: UUID = PROCESS) -> Reservation:
    hold = reserve_all([(made, (quota(made.kind), units))], process_id, now)
    assert hold is not None
    return hold


class TestReserve:
    def test_reservation_reduces_available_units(self) -> None:
        credit = lease(CREDIT, 10)
        held(credit, 4)
        assert (credit.reserved, credit.available(0.0), credit.total_reserved) == (4, 6, 4)

    def test_reservation_of_several_leases_is_all_or_nothing(self) -> None:
        credit, streams = lease(CREDIT, 10), lease(STREAMS, 0)
        parts: list[tuple[Lease, QuotaUnits]] = [
            (credit, (quota(CREDIT), 4)),
            (streams, (quota(STREAMS), 1)),
        ]
        assert reserve_all(parts, PROCESS, 0.0) is None
        assert (credit.reserved, credit.total_reserved) == (0, 0)

    def test_last_available_unit_can_be_reserved(self) -> None:
        credit = lease(CREDIT, 10)
        held(credit, 10)
        assert reserve_all([(credit, (quota(CREDIT), 1))], PROCESS, 0.0) is None


class TestSettlement:
    @pytest.mark.parametrize("kind", [CREDIT, BUDGET])
    def test_consumed_money_is_used_and_the_rest_available(self, kind: QuotaKind) -> None:
        money = lease(kind, 10)
        held(money, 6).settle(cost=2, tokens=99, now=0.0)
        assert (money.used, money.reserved, money.available(1e9)) == (2, 0, 8)

    def test_consumed_included_units_are_used_and_the_rest_available(self) -> None:
        own, shared = lease(INCLUDED.kind, 10), lease(INCLUDED.kind, 10)
        parts: list[tuple[Lease, QuotaUnits]] = [
            (shared, (allowance("output_tokens", "*"), 6)),
            (own, (INCLUDED, 4)),
        ]
        hold = reserve_all(parts, PROCESS, 0.0)
        assert hold is not None
        assert (
            list(hold.reserved_allowances.values()),
            hold.max_cost_nano,
            hold.charged_quota_ids,
        ) == ([4, 6], 0, [])
        hold.settle(cost=0, tokens=99, now=0.0, allowance_units={INCLUDED.id: 3})
        assert (own.used, own.reserved, own.available(0.0)) == (3, 0, 7)
        assert (shared.used, shared.reserved, shared.available(0.0)) == (0, 0, 10)

    def test_consumed_tokens_stay_reserved_for_a_minute(self) -> None:
        tokens = lease(TOKENS, 10)
        held(tokens, 6).settle(cost=99, tokens=2, now=5.5)
        assert (
            tokens.used,
            tokens.available(5.5),
            tokens.available(65.5),
            tokens.available(66.0),
        ) == (
            0,
            8,
            8,
            10,
        )

    def test_unconsumed_tokens_are_available_immediately(self) -> None:
        tokens = lease(TOKENS, 10)
        held(tokens, 6).settle(cost=0, tokens=0, now=0.0)
        assert tokens.available(0.0) == 10

    def test_request_counts_from_its_start(self) -> None:
        requests = lease(REQUESTS, 2)
        hold = held(requests, 1, now=0.0)
        hold.settle(cost=0, tokens=0, now=50.0)
        assert (requests.available(50.0), requests.available(61.0)) == (1, 2)

    def test_request_longer_than_a_minute_counts_once(self) -> None:
        requests = lease(REQUESTS, 2)
        hold = held(requests, 1, now=0.0)
        assert requests.available(100.0) == 2
        hold.settle(cost=0, tokens=0, now=100.0)
        assert (requests.reserved, requests.available(100.0)) == (0, 2)

    def test_stream_is_available_after_its_end(self) -> None:
        streams = lease(STREAMS, 1)
        hold = held(streams, 1)
        assert streams.available(1e9) == 0
        hold.settle(cost=5, tokens=5, now=0.0)
        assert (streams.available(0.0), streams.used) == (1, 0)

    def test_consumption_is_capped_by_reservation(self) -> None:
        credit, tokens = lease(CREDIT, 10), lease(TOKENS, 10)
        parts: list[tuple[Lease, QuotaUnits]] = [
            (credit, (quota(CREDIT), 3)),
            (tokens, (quota(TOKENS), 4)),
        ]
        hold = reserve_all(parts, PROCESS, 0.0)
        assert hold is not None
        hold.settle(cost=100, tokens=100, now=0.0)
        assert (credit.used, tokens.reserved) == (3, 4)

    def test_second_settlement_has_no_effect(self) -> None:
        credit = lease(CREDIT, 10)
        hold = held(credit, 6)
        hold.settle(cost=2, tokens=0, now=0.0)
        hold.settle(cost=2, tokens=0, now=0.0)
        assert (credit.used, credit.reserved) == (2, 0)


class TestMerge:
    def test_merged_reservations_are_settled_together(self) -> None:
        credit = lease(CREDIT, 10)
        hold, more = held(credit, 3), held(credit, 4)
        hold.merge(more)
        assert hold.max_cost_nano == 7
        more.settle(cost=4, tokens=0, now=0.0)
        assert (credit.used, credit.reserved) == (0, 7)
        hold.settle(cost=5, tokens=0, now=0.0)
        assert (credit.used, credit.reserved) == (5, 0)

    def test_merged_reservation_of_another_quota_is_released(self) -> None:
        credit, streams = lease(CREDIT, 10), lease(STREAMS, 1)
        hold = held(credit, 3)
        hold.merge(held(streams, 1))
        hold.settle(cost=0, tokens=0, now=0.0)
        assert streams.reserved == 0

    def test_units_return_to_the_lease_that_they_came_from(self) -> None:
        """A stream is extended after its process restarted with other leases."""
        before, after = lease(CREDIT, 10), lease(CREDIT, 10)
        hold = held(before, 3)
        hold.merge(held(after, 4, process_id=ids.new_id()))
        assert hold.process_id == PROCESS
        hold.settle(cost=0, tokens=0, now=0.0)
        assert (before.reserved, after.reserved) == (0, 0)


class TestReservedMoney:
    def test_max_cost_is_the_smallest_reserved_money_quota(self) -> None:
        parts = [
            ReservedUnits(quota(CREDIT), lease(CREDIT, 9), 5),
            ReservedUnits(quota(BUDGET), lease(BUDGET, 9), 4),
            ReservedUnits(quota(TOKENS), lease(TOKENS, 9), 1),
        ]
        hold = Reservation(parts, PROCESS)
        assert hold.max_cost_nano == 4
        assert hold.charged_quota_ids == [quota(CREDIT).id, quota(BUDGET).id]

    def test_reservation_without_money_has_max_cost_zero(self) -> None:
        assert held(lease(STREAMS, 1), 1).max_cost_nano == 0


class TestRateWindow:
    def test_usage_expires_per_second(self) -> None:
        """Any number of calls of the same second expire together."""
        requests = lease(REQUESTS, 1000)
        for tenth in range(20):
            held(requests, 1, now=tenth / 10)
        assert [requests.available(now) for now in (60.9, 61.0, 61.9, 62.0)] == [
            980,
            990,
            990,
            1000,
        ]

    def test_seconds_until_units_are_available(self) -> None:
        requests = lease(REQUESTS, 3)
        held(requests, 1, now=0.0)
        held(requests, 2, now=10.0)
        assert [requests.seconds_until_available(units, 20.0) for units in (1, 2, 3)] == [
            41.0,
            51.0,
            51.0,
        ]

    def test_unknown_waiting_time_is_a_whole_window(self) -> None:
        assert lease(REQUESTS, 3).seconds_until_available(1, 0.0) == 60.0

    def test_expired_usage_has_waiting_time_zero(self) -> None:
        requests = lease(REQUESTS, 1)
        held(requests, 1, now=0.0)
        assert (requests.seconds_until_available(1, 99.0), requests.seconds_until_full(99.0)) == (
            0.0,
            0.0,
        )

    def test_seconds_until_all_units_are_available(self) -> None:
        requests = lease(REQUESTS, 3)
        assert requests.seconds_until_full(0.0) == 0.0
        held(requests, 1, now=0.0)
        held(requests, 1, now=10.0)
        assert requests.seconds_until_full(20.0) == 51.0


@dataclass
class Running:
    """A call: its reservation, and its units of each quota as counted by the test."""

    hold: Reservation
    units: dict[QuotaKind, int]


class Accounting(RuleBasedStateMachine):
    """Calls start, extend and end in any order on all kinds of quota, while time advances."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.leases = {kind: Lease(kind) for kind in KINDS}
        self.running: list[Running] = []
        self.over: list[Reservation] = []
        self.used = dict.fromkeys(KINDS, 0)
        self.aged: dict[QuotaKind, list[tuple[float, int]]] = {kind: [] for kind in KINDS}

    @rule(kind=st.sampled_from(KINDS), units=st.integers(1, 100))
    def borrow(self, kind: QuotaKind, units: int) -> None:
        self.leases[kind].borrowed += units

    @rule(kind=st.sampled_from(KINDS), part=st.floats(0, 1))
    def give_back(self, kind: QuotaKind, part: float) -> None:
        self.leases[kind].borrowed -= int(part * self.leases[kind].available(self.now))

    @rule(seconds=st.floats(0, 70))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(units=st.fixed_dictionaries({kind: st.integers(1, 60) for kind in KINDS}))
    def call(self, units: dict[QuotaKind, int]) -> None:
        enough = all(self.leases[kind].available(self.now) >= n for kind, n in units.items())
        parts = [(self.leases[one.kind], (one, units[one.kind])) for one in (*ALL, INCLUDED)]
        hold = reserve_all(parts, PROCESS, self.now)
        assert (hold is not None) == enough
        if hold is not None:
            self.running.append(Running(hold, units))
            self.aged[REQUESTS].append((self.now, units[REQUESTS]))

    @precondition(lambda self: len(self.running) > 1)
    @rule()
    def extend(self) -> None:
        more, call = self.running.pop(), self.running[-1]
        call.hold.merge(more.hold)
        call.units = {kind: units + more.units[kind] for kind, units in call.units.items()}
        self.over.append(more.hold)

    @precondition(lambda self: self.running)
    @rule(
        data=st.data(),
        cost=st.integers(0, 200),
        tokens=st.integers(0, 200),
        covered=st.integers(0, 200),
    )
    def end(self, data: st.DataObject, cost: int, tokens: int, covered: int) -> None:
        call = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        assert call.hold.max_cost_nano == min(call.units[CREDIT], call.units[BUDGET])
        assert call.hold.reserved_allowances == {INCLUDED: call.units[INCLUDED.kind]}
        call.hold.settle(cost, tokens, self.now, {INCLUDED.id: covered})
        self.over.append(call.hold)
        for kind, consumed in ((CREDIT, cost), (BUDGET, cost), (INCLUDED.kind, covered)):
            self.used[kind] += min(consumed, call.units[kind])
        self.aged[TOKENS].append((self.now, min(tokens, call.units[TOKENS])))

    @precondition(lambda self: self.over)
    @rule(data=st.data())
    def end_again(self, data: st.DataObject) -> None:
        before = self._counts()
        data.draw(st.sampled_from(self.over)).settle(7, 7, self.now)
        assert self._counts() == before

    @invariant()
    def all_is_used_held_or_free(self) -> None:
        for made in self.leases.values():
            free = made.available(self.now)
            assert made.borrowed == made.used + made.reserved + free
            assert min(made.used, made.reserved, free) >= 0

    @invariant()
    def what_was_consumed_is_used(self) -> None:
        assert {kind: made.used for kind, made in self.leases.items()} == self.used

    @invariant()
    def what_is_held_is_of_running_calls_or_of_the_last_minute(self) -> None:
        for kind, made in self.leases.items():
            made.available(self.now)
            running = sum(call.units[kind] for call in self.running) if kind != REQUESTS else 0
            ages = [(self.now - since, units) for since, units in self.aged[kind]]
            least = sum(units for age, units in ages if age < 60)
            most = sum(units for age, units in ages if age < 61)
            assert running + least <= made.reserved <= running + most

    def _counts(self) -> list[tuple[int, int, int]]:
        return [
            (made.available(self.now), made.used, made.reserved) for made in self.leases.values()
        ]


TestAccounting = Accounting.TestCase
TestAccounting.settings = settings(max_examples=in_full(1000, 50))
