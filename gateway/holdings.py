"""Holdings: all that this process has borrowed, by quota, and what it should ask for or return.

Owns the leases in memory, what was last read of their quotas, and the rules of how much to have
at hand. Holds nothing while a lease is being changed: until the database has answered, what is on
its way back must not be given out. Does not own the changes (gateway/leasing.py).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.leases import Standing, Wish
from billing.quotas import QuotaRef
from gateway.demand import Demand
from gateway.holds import Hold, Lease, Part, take

# Borrowed ahead of need: so many calls like the one that asks, or so many seconds' worth.
_AHEAD_CALLS = 8
_AHEAD_S = 4


@dataclass(slots=True)
class _Entry:
    """A lease, its quota as last read, what the lease had used by then, and how busy it was."""

    lease: Lease
    standing: Standing | None = None
    used_then: int = 0
    taken_then: int = 0
    lately: int = 0  # units taken in the last whole second


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

    def enqueue(self, quota_ids: Iterable[str]) -> None:
        """A call waits for these quotas: those that come later wait behind it."""
        self._queued.update(quota_ids)

    def dequeue(self, quota_ids: Iterable[str]) -> None:
        self._queued.subtract(quota_ids)
        self._queued = +self._queued  # without those that nobody waits for

    def fit_whole(self, demand: Demand, process_id: UUID, now: float) -> Hold | None:
        """Hold all of a waiting call's demand, or nothing."""
        pairs: list[tuple[Lease, Part]] = []
        for part in demand.parts:
            entry = self._entries.get(part[0].id)
            if entry is None or part[0].id in self._changing:
                return None
            pairs.append((entry.lease, part))
        return take(pairs, process_id, now)

    def fit(self, demand: Demand, process_id: UUID, now: float) -> tuple[Demand, Hold] | None:
        """Hold as much of a waiting call's demand as there is."""
        free = {quota.id: self.lease(quota.id).free(now) for quota, _ in demand.parts}
        fitting = demand.within(free)
        if fitting is None:
            return None
        pairs = [(self.lease(part[0].id), part) for part in fitting.parts]
        hold = take(pairs, process_id, now)
        return None if hold is None else (fitting, hold)

    def lease(self, quota_id: str) -> Lease:
        return self._entries[quota_id].lease

    def standing(self, quota_id: str) -> Standing | None:
        """A quota as last read, with what our own calls have used since."""
        entry = self._entries.get(quota_id)
        if entry is None or entry.standing is None:
            return None
        read = entry.standing
        since = entry.lease.used - entry.used_then
        return Standing(
            read.amount, read.spent + since, read.borrowed, read.elsewhere, read.recalls
        )

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
        for demand in demands:
            least = demand.least.units
            for quota, units in demand.parts:
                self._open(quota)
                needs.setdefault(quota.id, []).append((units, least[quota.kind]))
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
            if shrink and not lately and not entry.lease.held:
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
                entry.taken_then = entry.lease.taken
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
            entry.standing, entry.used_then = standing, lease.used
        self._changing.difference_update(standings)
        return set(self._recalled)

    def forget(self, quota_ids: Iterable[str]) -> None:
        """These leases are over."""
        for quota_id in quota_ids:
            self._entries.pop(quota_id, None)
            self._changing.discard(quota_id)
            self._recalled.discard(quota_id)

    def _open(self, quota: QuotaRef) -> None:
        if quota.id not in self._entries:
            self._entries[quota.id] = _Entry(Lease(quota.kind))

    def _surplus(self, quota_id: str, now: float) -> int:
        # After a change whose answer was lost, what seems free may have gone back already.
        return 0 if quota_id in self._changing else max(0, self.lease(quota_id).free(now))

    def _lately(self, quota_id: str) -> int:
        entry = self._entries[quota_id]
        return max(entry.lately, entry.lease.taken - entry.taken_then)
