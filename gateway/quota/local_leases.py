"""The quota leases of this process in memory, and the plans to borrow and return units.

While a lease is being changed in the database, nothing is reserved from it: units that are being
returned must not be given to a call.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.metering.leases import LeaseChange, QuotaSnapshot
from billing.metering.quotas import QuotaRef
from gateway.call.reservation import Lease, QuotaUnits, Reservation, reserve_all
from gateway.quota.demand import Demand

# Units borrowed ahead of need: for this many similar calls, or this many seconds of recent use.
_BORROW_AHEAD_CALLS = 8
_BORROW_AHEAD_S = 4
# Larger than any limit that can be set (billing/metering/quotas.py).
_UNLIMITED = 10**18


@dataclass(slots=True)
class _Entry:
    """A lease with its quota as last read from the database, and its recent use.

    `was_used` is True if a call needed the quota since the last shrink, even if it got no units.
    `is_closing` is True from the plan that ends the lease until the lease is dropped or read again.
    """

    lease: Lease
    snapshot: QuotaSnapshot | None = None
    total_reserved_before: int = 0  # at the last shrink
    recent_units: int = 0  # reserved in the second before the last shrink
    was_used: bool = False
    is_closing: bool = False

    def spent(self) -> int:
        """Return the units used by other processes when last read, plus those used here.

        This process's part of the database's value is ignored: a call whose usage row is committed
        but whose reservation is not settled yet would count twice.
        """
        used_elsewhere = self.snapshot.consumed - self.snapshot.used if self.snapshot else 0
        return used_elsewhere + self.lease.used

    def unreserved(self) -> int:
        """Return the units not used, reserved or leased elsewhere; 0 if the quota is unknown."""
        snapshot = self.snapshot
        if snapshot is None or snapshot.amount is None:
            return 0
        return snapshot.amount - self.spent() - snapshot.leased_elsewhere - self.lease.reserved

    def unleased(self, now: float) -> int:
        """Return the units of the quota that no process has leased."""
        return self.unreserved() - self.lease.available(now)


class LocalLeases:
    """All leases of one process by quota id. Methods do no I/O."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._changing_ids: set[str] = set()
        self._recalled_ids: set[str] = set()
        self._waiting_count: Counter[str] = Counter()

    def try_reserve(
        self, quota_units: Sequence[QuotaUnits], process_id: UUID, now: float
    ) -> Reservation | None:
        """Reserve units. Returns None if they are unavailable or other calls wait for them."""
        lease_units: list[tuple[Lease, QuotaUnits]] = []
        for item in quota_units:
            quota_id = item[0].id
            entry = self._entries.get(quota_id)
            if entry is None or quota_id in self._changing_ids or quota_id in self._waiting_count:
                return None
            lease_units.append((entry.lease, item))
        return reserve_all(lease_units, process_id, now)

    def with_local_allowances(
        self, demand: Demand, now: float, waiting: bool = False
    ) -> Demand | None:
        """Cover a demand with allowance units leased here; `waiting` if its call waits itself.

        Returns None if more allowance units could be borrowed, or other calls wait for them.
        """
        needs = demand.max_units_by_meter
        available: dict[str, int] = {}
        for quota in demand.allowances:
            if not needs[quota.meter]:
                continue
            entry = self._entries.get(quota.id)
            if entry is None or quota.id in self._changing_ids:
                return None
            if quota.id in self._waiting_count and not waiting:
                return None
            entry.was_used = True
            # A pack of tokens is listed once per meter: the meters before have taken their part.
            taken = available.get(quota.id, 0)
            local_units = min(max(0, entry.lease.available(now) - taken), needs[quota.meter])
            available[quota.id] = taken + local_units
            needs[quota.meter] -= local_units
            if needs[quota.meter] and entry.unleased(now) > 0:
                return None
        self._mark_money_used(demand)
        return demand.with_allowances(available)

    def with_unconsumed_allowances(self, demand: Demand) -> Demand:
        """Return the demand at its cheapest: covered by all allowance units not consumed yet.

        Assumes that running calls and other processes release what they have reserved.
        """
        entries = {quota.id: self._entries.get(quota.id) for quota in demand.allowances}
        return demand.with_allowances(
            {
                quota_id: (entry.snapshot.amount or 0) - entry.spent()
                for quota_id, entry in entries.items()
                if entry is not None and entry.snapshot is not None
            }
        )

    def shortened_to_limits(self, demand: Demand) -> Demand | None:
        """Return the demand with the answer shortened to the quotas' limits, as last read.

        The limits are unspent money and the full rate per minute. Returns None if the minimum does
        not fit.
        """
        return demand.shortened_to_fit(
            {quota.id: self._limit(quota.id) for quota in (*demand.quotas, *demand.allowances)}
        )

    def _limit(self, quota_id: str) -> int:
        """Return the units that a quota allows if nothing is reserved."""
        entry = self._entries.get(quota_id)
        if entry is None or entry.snapshot is None or entry.snapshot.amount is None:
            return _UNLIMITED
        return entry.snapshot.amount - (entry.spent() if entry.lease.consumable else 0)

    def can_borrow(self, quota_id: str, units: int) -> bool:
        """Return whether the units are available here or could be borrowed, as last read."""
        return self._entries[quota_id].unreserved() >= units

    def allowances_leased_elsewhere(self, demand: Demand) -> set[str]:
        """Return the ids of the demand's allowances of which other processes lease units."""
        snapshots = {quota.id: self.snapshot(quota.id) for quota in demand.allowances}
        return {
            quota_id
            for quota_id, snapshot in snapshots.items()
            if snapshot is not None and snapshot.leased_elsewhere > 0
        }

    def add_waiting(self, quota_ids: Iterable[str]) -> None:
        """Add a call that waits for these quotas; later calls queue behind it."""
        self._waiting_count.update(quota_ids)

    def remove_waiting(self, quota_ids: Iterable[str]) -> None:
        """Remove a call that waited for these quotas."""
        self._waiting_count.subtract(quota_ids)
        self._waiting_count = +self._waiting_count  # drops zero counts

    def try_full(
        self, demand: Demand, process_id: UUID, now: float
    ) -> tuple[Demand, Reservation] | None:
        """Reserve the full demand of a waiting call. Returns None if it does not fit."""
        covered_demand = (
            self.with_local_allowances(demand, now, waiting=True) if demand.allowances else demand
        )
        if covered_demand is None:
            return None
        lease_units: list[tuple[Lease, QuotaUnits]] = []
        for item in covered_demand.quota_units:
            entry = self._entries.get(item[0].id)
            if entry is None or item[0].id in self._changing_ids:
                return None
            lease_units.append((entry.lease, item))
        reservation = reserve_all(lease_units, process_id, now)
        return None if reservation is None else (covered_demand, reservation)

    def try_partial(
        self, demand: Demand, process_id: UUID, now: float
    ) -> tuple[Demand, Reservation] | None:
        """Reserve a waiting call's demand, shortened to the available units.

        Returns None if the minimum does not fit.
        """
        shortened = demand.shortened_to_fit(self.available_for(demand, now))
        if shortened is None:
            return None
        lease_units = [(self.get_lease(item[0].id), item) for item in shortened.quota_units]
        reservation = reserve_all(lease_units, process_id, now)
        return None if reservation is None else (shortened, reservation)

    def available_for(self, demand: Demand, now: float) -> dict[str, int]:
        """Return the available units by quota id of a demand's quotas and allowances.

        None of a lease whose last change may or may not have happened.
        """
        quotas = [*(quota for quota, _ in demand.quota_units), *demand.allowances]
        known_ids = [quota.id for quota in quotas if quota.id in self._entries]
        return {
            quota_id: 0
            if quota_id in self._changing_ids
            else self.get_lease(quota_id).available(now)
            for quota_id in known_ids
        }

    def get_lease(self, quota_id: str) -> Lease:
        """Return the lease of a known quota."""
        return self._entries[quota_id].lease

    def snapshot(self, quota_id: str) -> QuotaSnapshot | None:
        """Return a quota as last read, plus this process's use since; None if unknown."""
        entry = self._entries.get(quota_id)
        if entry is None or entry.snapshot is None:
            return None
        snapshot = entry.snapshot
        return QuotaSnapshot(
            snapshot.amount,
            entry.spent(),
            snapshot.borrowed,
            snapshot.leased_elsewhere,
            snapshot.recalls,
            entry.lease.used,
        )

    def rate_limit_remaining(self, quota_id: str, now: float) -> tuple[int, float] | None:
        """Return a rate limit's remaining units and the seconds to its reset; None if unknown."""
        entry = self._entries.get(quota_id)
        if entry is None or entry.snapshot is None or entry.snapshot.amount is None:
            return None
        lease, snapshot = entry.lease, entry.snapshot
        lease.available(now)
        remaining = (snapshot.amount or 0) - snapshot.leased_elsewhere - lease.reserved
        return max(0, remaining), lease.seconds_until_full(now)

    def quota_ids(self) -> list[str]:
        """Return the ids of all quotas that have a lease here."""
        return list(self._entries)

    def borrow_plan(self, demands: Iterable[Demand], now: float) -> dict[str, LeaseChange]:
        """Return the lease changes that borrow what waiting calls need.

        Units available here are returned first, since they did not suffice for these calls.
        """
        needs_by_quota: dict[str, list[tuple[int, int]]] = {}
        remaining = {
            quota_id: max(0, entry.unreserved()) for quota_id, entry in self._entries.items()
        }
        for demand in demands:
            expected = demand.with_allowances(remaining) if demand.allowances else demand
            max_units, min_units = expected.units_by_kind, expected.with_min_output.units_by_kind
            # Money that an allowance saves is needed with 0 units, which reads the quota's state.
            for quota, _ in demand.quota_units:
                self._ensure_entry(quota)
                units = max_units[quota.kind], min_units[quota.kind]
                needs_by_quota.setdefault(quota.id, []).append(units)
            for quota, needed in _allowance_needs(demand, remaining):
                self._ensure_entry(quota)
                needs_by_quota.setdefault(quota.id, []).append((needed, 0))
            for quota in demand.allowances:
                if quota.id in self._changing_ids:  # read again after a commit of unknown outcome
                    needs_by_quota.setdefault(quota.id, [(0, 0)])
            for quota, used in expected.allowance_use:
                remaining[quota.id] -= used
        return {
            quota_id: LeaseChange(
                returned_units=self._surplus(quota_id, now),
                needs=tuple(needs),
                prefetch_units=max(
                    _BORROW_AHEAD_CALLS * needs[0][0],
                    _BORROW_AHEAD_S * self._recent_units(quota_id),
                ),
            )
            for quota_id, needs in needs_by_quota.items()
        }

    def return_plan(
        self, recalled: set[str], is_shrinking: bool, now: float
    ) -> dict[str, LeaseChange]:
        """Return the lease changes that give back recalled and, if `is_shrinking`, surplus units.

        Recalled quotas return all available units. `is_shrinking`, once a second, returns what
        exceeds the recent use and ends idle leases.
        """
        changes: dict[str, LeaseChange] = {}
        for quota_id, entry in self._entries.items():
            if quota_id in self._waiting_count or quota_id in self._changing_ids:
                continue
            available = entry.lease.available(now)
            recent_units = entry.lease.total_reserved - entry.total_reserved_before
            ahead = _BORROW_AHEAD_S * max(recent_units, entry.recent_units)
            if (
                is_shrinking
                and not recent_units
                and not entry.lease.reserved
                and not entry.was_used
            ):
                changes[quota_id], entry.is_closing = LeaseChange(close=True), True
                continue
            if quota_id in recalled and available > 0:
                self._recalled_ids.discard(quota_id)
                changes[quota_id] = LeaseChange(returned_units=available)
            elif is_shrinking and available > 2 * ahead:
                changes[quota_id] = LeaseChange(returned_units=available - ahead)
        if is_shrinking:
            for entry in self._entries.values():
                entry.recent_units = entry.lease.total_reserved - entry.total_reserved_before
                entry.total_reserved_before, entry.was_used = entry.lease.total_reserved, False
        return changes

    def begin_change(self, quota_ids: Iterable[str]) -> None:
        """Block reservations from these leases until `update` has their new state."""
        self._changing_ids.update(quota_ids)

    def update(self, snapshots: Mapping[str, QuotaSnapshot]) -> set[str]:
        """Store the quotas' state as read. Returns the ids of those that other processes recall."""
        for quota_id, snapshot in snapshots.items():
            entry = self._entries[quota_id]
            lease = entry.lease
            if entry.snapshot is not None and snapshot.recalls > entry.snapshot.recalls:
                self._recalled_ids.add(quota_id)
            lease.borrowed = snapshot.borrowed
            if entry.is_closing:
                # The commit's outcome is unknown: this may be a new lease, of which nothing was
                # used. No call holds units of it, so the count in the database is exact.
                lease.used, entry.is_closing = snapshot.used, False
            elif lease.used > lease.borrowed:
                # That commit was still in progress when the old lease was read.
                lease.used = 0
            entry.snapshot = snapshot
        self._changing_ids.difference_update(snapshots)
        return set(self._recalled_ids)

    def drop(self, quota_ids: Iterable[str]) -> None:
        """Remove ended leases."""
        for quota_id in quota_ids:
            self._entries.pop(quota_id, None)
            self._changing_ids.discard(quota_id)
            self._recalled_ids.discard(quota_id)

    def _mark_money_used(self, demand: Demand) -> None:
        """Keep the money leases even of a fully covered call: its headers report the balance."""
        for quota in demand.quotas:
            if quota.kind.money and quota.id in self._entries:
                self._entries[quota.id].was_used = True

    def _ensure_entry(self, quota: QuotaRef) -> None:
        """Add an empty lease for a quota that has none."""
        if quota.id not in self._entries:
            self._entries[quota.id] = _Entry(Lease(quota.kind))

    def _surplus(self, quota_id: str, now: float) -> int:
        """Return the available units that can be returned now."""
        # After a commit of unknown outcome, the available units may have been returned already.
        return (
            0 if quota_id in self._changing_ids else max(0, self.get_lease(quota_id).available(now))
        )

    def _recent_units(self, quota_id: str) -> int:
        """Return the units reserved per second, the larger of now and the last second."""
        entry = self._entries[quota_id]
        return max(entry.recent_units, entry.lease.total_reserved - entry.total_reserved_before)


def _allowance_needs(
    demand: Demand, remaining: Mapping[str, int]
) -> Iterator[tuple[QuotaRef, int]]:
    """Yield the units that a demand can use of each allowance, after those before it."""
    needs, left = demand.max_units_by_meter, dict(remaining)
    for quota in demand.allowances:
        if needs[quota.meter]:
            yield quota, needs[quota.meter]
            covered = min(needs[quota.meter], left.get(quota.id, 0))
            needs[quota.meter] -= covered
            left[quota.id] = left.get(quota.id, 0) - covered
