"""Holdings: all that this process has borrowed, by quota, and what it should ask for or return.

Owns the leases in memory, what was last read of their quotas, and the rules of how much to have at
hand. Holds nothing while a lease is being changed: until the database has answered, what is on its
way back must not be given out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from billing.metering.leases import Standing, Wish
from billing.metering.quotas import QuotaRef
from gateway.call.reservation import Hold, Lease, Part, take
from gateway.quota.demand import Demand

# Borrowed ahead of need: so many calls like the one that asks, or so many seconds' worth.
_AHEAD_CALLS = 8
_AHEAD_S = 4
# More than any limit that can be set (billing/metering/quotas.py).
_UNLIMITED = 10**18


@dataclass(slots=True)
class _Entry:
    """A lease, its quota as last read, and how busy the lease was; `asked` where a call has looked
    at it, though it may have found nothing."""

    lease: Lease
    standing: Standing | None = None
    taken_then: int = 0
    lately: int = 0  # units taken in the last whole second
    asked: bool = False

    def spent(self) -> int:
        """What other processes had used of the quota when it was read, and what our own calls have.

        The database may know of a call before its hold is closed here, so of what it says our own
        part is not taken: the call would count twice, as used and as held.
        """
        others = self.standing.spent - self.standing.used if self.standing else 0
        return others + self.lease.used

    def left(self) -> int:
        """What of the quota no call has used or holds and no other process has, if it is known."""
        read = self.standing
        if read is None or read.amount is None:
            return 0
        return read.amount - self.spent() - read.elsewhere - self.lease.held

    def unlent(self, now: float) -> int:
        """What of the quota no process has."""
        return self.left() - self.lease.free(now)


class Holdings:
    """What one process has. Methods never wait."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._changing: set[str] = set()
        self._recalled: set[str] = set()
        self._queued: Counter[str] = Counter()

    def try_hold(self, parts: Sequence[Part], process_id: UUID, now: float) -> Hold | None:
        """Hold from what is here; None where it is not enough or others wait for it."""
        pairs: list[tuple[Lease, Part]] = []
        for part in parts:
            quota_id = part[0].id
            entry = self._entries.get(quota_id)
            if entry is None or quota_id in self._changing or quota_id in self._queued:
                return None
            pairs.append((entry.lease, part))
        return take(pairs, process_id, now)

    def covered(self, demand: Demand, now: float, waiting: bool = False) -> Demand | None:
        """What remains to be paid for of a call, after what is here of its allowances; None where
        more of them could be borrowed, or others wait for it."""
        needs, free = demand.needs, {}
        for quota in demand.included:
            if not needs[quota.meter]:
                continue
            entry = self._entries.get(quota.id)
            if entry is None or quota.id in self._changing:
                return None
            if quota.id in self._queued and not waiting:
                return None
            entry.asked = True
            free[quota.id] = here = min(max(0, entry.lease.free(now)), needs[quota.meter])
            needs[quota.meter] -= here
            if needs[quota.meter] and entry.unlent(now) > 0:
                return None
        self._keep_money(demand)
        return demand.covered(free)

    def at_best(self, demand: Demand) -> Demand:
        """What remains to be paid for where running calls and other processes give back all that
        they have of its allowances."""
        entries = {one.id: self._entries.get(one.id) for one in demand.included}
        return demand.covered(
            {
                quota_id: (entry.standing.amount or 0) - entry.spent()
                for quota_id, entry in entries.items()
                if entry is not None and entry.standing is not None
            }
        )

    def within_limits(self, demand: Demand) -> Demand | None:
        """The longest answer that the limits themselves allow, as they were last read: of money
        what is not spent, of rates all that a minute has. None where not even the floor fits."""
        return demand.within(
            {quota.id: self._limit(quota.id) for quota in (*demand.quotas, *demand.included)}
        )

    def _limit(self, quota_id: str) -> int:
        entry = self._entries.get(quota_id)
        if entry is None or entry.standing is None or entry.standing.amount is None:
            return _UNLIMITED
        return entry.standing.amount - (entry.spent() if entry.lease.spent else 0)

    def can_have(self, quota_id: str, units: int) -> bool:
        """Whether so much of a quota is here or could be borrowed, as it was last read."""
        return self._entries[quota_id].left() >= units

    def lent_of(self, demand: Demand) -> set[str]:
        """The allowances of a call of which other processes have units."""
        standings = {one.id: self.standing(one.id) for one in demand.included}
        return {one for one, read in standings.items() if read is not None and read.elsewhere > 0}

    def enqueue(self, quota_ids: Iterable[str]) -> None:
        """A call waits for these quotas: those that come later wait behind it."""
        self._queued.update(quota_ids)

    def dequeue(self, quota_ids: Iterable[str]) -> None:
        self._queued.subtract(quota_ids)
        self._queued = +self._queued  # without those that nobody waits for

    def fit_whole(self, demand: Demand, process_id: UUID, now: float) -> tuple[Demand, Hold] | None:
        """Hold all of a waiting call's demand, or nothing."""
        whole = self.covered(demand, now, waiting=True) if demand.included else demand
        if whole is None:
            return None
        pairs: list[tuple[Lease, Part]] = []
        for part in whole.parts:
            entry = self._entries.get(part[0].id)
            if entry is None or part[0].id in self._changing:
                return None
            pairs.append((entry.lease, part))
        hold = take(pairs, process_id, now)
        return None if hold is None else (whole, hold)

    def fit(self, demand: Demand, process_id: UUID, now: float) -> tuple[Demand, Hold] | None:
        """Hold as much of a waiting call's demand as there is."""
        fitting = demand.within(self.free_for(demand, now))
        if fitting is None:
            return None
        pairs = [(self.lease(part[0].id), part) for part in fitting.parts]
        hold = take(pairs, process_id, now)
        return None if hold is None else (fitting, hold)

    def free_for(self, demand: Demand, now: float) -> dict[str, int]:
        """What is here of each quota and allowance of a waiting call."""
        quotas = [*(quota for quota, _ in demand.parts), *demand.included]
        known = [quota.id for quota in quotas if quota.id in self._entries]
        return {quota_id: self.lease(quota_id).free(now) for quota_id in known}

    def lease(self, quota_id: str) -> Lease:
        return self._entries[quota_id].lease

    def standing(self, quota_id: str) -> Standing | None:
        """A quota as last read, with what our own calls have used since."""
        entry = self._entries.get(quota_id)
        if entry is None or entry.standing is None:
            return None
        read = entry.standing
        return replace(read, spent=entry.spent(), used=entry.lease.used)

    def remaining(self, quota_id: str, now: float) -> tuple[int, float] | None:
        """Of a rate: units that are left, and seconds until all are; None where not known."""
        entry = self._entries.get(quota_id)
        if entry is None or entry.standing is None or entry.standing.amount is None:
            return None
        lease, standing = entry.lease, entry.standing
        lease.free(now)
        left = (standing.amount or 0) - standing.elsewhere - lease.held
        return max(0, left), lease.full_in(now)

    def ids(self) -> list[str]:
        return list(self._entries)

    def wishes_for(self, demands: Iterable[Demand], now: float) -> dict[str, Wish]:
        """What waiting calls need. What is free here goes back first: it was of no use to them."""
        needs: dict[str, list[tuple[int, int]]] = {}
        left = {quota_id: max(0, entry.left()) for quota_id, entry in self._entries.items()}
        for demand in demands:
            expected = demand.covered(left) if demand.included else demand
            units, least = expected.units, expected.least.units
            # Of money that an allowance will save nothing is asked, but how much there is.
            for quota, _ in demand.parts:
                self._open(quota)
                needs.setdefault(quota.id, []).append((units[quota.kind], least[quota.kind]))
            for quota, most in _wanted(demand, left):
                self._open(quota)
                needs.setdefault(quota.id, []).append((most, 0))
            for quota, most in expected.cover:
                left[quota.id] -= most
        return {
            quota_id: Wish(
                surplus=self._surplus(quota_id, now),
                needs=tuple(wanted),
                extra=max(_AHEAD_CALLS * wanted[0][0], _AHEAD_S * self._lately(quota_id)),
            )
            for quota_id, wanted in needs.items()
        }

    def wishes_back(self, recalled: set[str], shrink: bool, now: float) -> dict[str, Wish]:
        """What is not needed here. `shrink`, once a second, goes by how busy the leases are."""
        wishes: dict[str, Wish] = {}
        for quota_id, entry in self._entries.items():
            if quota_id in self._queued or quota_id in self._changing:
                continue
            free, lately = entry.lease.free(now), entry.lease.taken - entry.taken_then
            if shrink and not lately and not entry.lease.held and not entry.asked:
                wishes[quota_id] = Wish(end=True)
                continue
            if quota_id in recalled and free > 0:
                self._recalled.discard(quota_id)
                wishes[quota_id] = Wish(surplus=free)
            elif shrink and free > 2 * _AHEAD_S * max(lately, entry.lately):
                wishes[quota_id] = Wish(surplus=free - _AHEAD_S * max(lately, entry.lately))
        if shrink:
            for entry in self._entries.values():
                entry.lately = entry.lease.taken - entry.taken_then
                entry.taken_then, entry.asked = entry.lease.taken, False
        return wishes

    def change(self, quota_ids: Iterable[str]) -> None:
        """These leases are about to be changed: nothing is held of them until `learn`."""
        self._changing.update(quota_ids)

    def learn(self, standings: Mapping[str, Standing]) -> set[str]:
        """Take over what was read; gives the quotas that are recalled and not yet given back."""
        for quota_id, standing in standings.items():
            entry = self._entries[quota_id]
            lease = entry.lease
            if entry.standing is not None and standing.recalls > entry.standing.recalls:
                self._recalled.add(quota_id)
            lease.borrowed = standing.borrowed
            if lease.used > lease.borrowed:
                # It had ended, in a change whose answer was lost: what is there now is another.
                lease.used = 0
            entry.standing = standing
        self._changing.difference_update(standings)
        return set(self._recalled)

    def forget(self, quota_ids: Iterable[str]) -> None:
        """These leases are over."""
        for quota_id in quota_ids:
            self._entries.pop(quota_id, None)
            self._changing.discard(quota_id)
            self._recalled.discard(quota_id)

    def _keep_money(self, demand: Demand) -> None:
        """A call that needs no money looks at none; how much there is it still tells."""
        for quota in demand.quotas:
            if quota.kind.money and quota.id in self._entries:
                self._entries[quota.id].asked = True

    def _open(self, quota: QuotaRef) -> None:
        if quota.id not in self._entries:
            self._entries[quota.id] = _Entry(Lease(quota.kind))

    def _surplus(self, quota_id: str, now: float) -> int:
        # After a change whose answer was lost, what seems free may have gone back already.
        return 0 if quota_id in self._changing else max(0, self.lease(quota_id).free(now))

    def _lately(self, quota_id: str) -> int:
        entry = self._entries[quota_id]
        return max(entry.lately, entry.lease.taken - entry.taken_then)


def _wanted(demand: Demand, left: Mapping[str, int]) -> Iterator[tuple[QuotaRef, int]]:
    """The units of each allowance that a call can use, after those before it."""
    needs = demand.needs
    for quota in demand.included:
        if needs[quota.meter]:
            yield quota, needs[quota.meter]
            needs[quota.meter] -= min(needs[quota.meter], left.get(quota.id, 0))
