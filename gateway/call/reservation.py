"""Holds: the arithmetic of what this process has borrowed and what its calls hold of that.

    borrowed = used + held + free

A hold is taken before a call and closed once, after its usage row is durable: what was consumed
of money and of included units is used, of a rate it stays held until a minute has passed, all else
is free again.

Pure: no database, no clock; `now` is monotonic seconds.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from billing.metering.quotas import QuotaRef
from billing.rating.terms import ANY_MODEL
from billing.tables import QuotaKind

Part = tuple[QuotaRef, int]
_NOTHING: Mapping[str, int] = MappingProxyType({})


class Lease:
    """What this process has of one quota."""

    __slots__ = (
        "_ageing",
        "_of_requests",
        "borrowed",
        "held",
        "kind",
        "money",
        "spent",
        "taken",
        "used",
    )

    def __init__(self, kind: QuotaKind) -> None:
        self.kind = kind
        # Looked up once: an enumeration's members cost as much as the sums here.
        self.money, self.spent = kind.money, kind.spent
        self._of_requests = kind is QuotaKind.REQUESTS
        self.borrowed = 0
        self.used = 0
        self.held = 0
        self.taken = 0  # units ever held, which tells how busy the lease is
        self._ageing: deque[list[int]] = deque()

    def free(self, now: float) -> int:
        """What can be held at once."""
        ageing = self._ageing
        while ageing and ageing[0][0] <= now:
            self.held -= ageing.popleft()[1]
        return self.borrowed - self.used - self.held

    def hold(self, units: int, now: float) -> None:
        self.held += units
        self.taken += units
        if self._of_requests:
            self._age(units, now)  # a request counts when it comes, however long it takes

    def close(self, units: int, consumed: int, now: float) -> None:
        """End a hold of `units`, of which `consumed` were consumed."""
        if self.spent:
            self.held -= units
            self.used += consumed
        elif consumed and self.kind is QuotaKind.TOKENS:
            self.held -= units - consumed
            self._age(consumed, now)
        elif not self._of_requests:
            self.held -= units

    def free_in(self, units: int, now: float) -> float:
        """Seconds until so many more units have aged out; a whole window if it is not known."""
        for until, amount in self._ageing:
            units -= amount
            if units <= 0:
                return max(0.0, until - now)
        return float(self.kind.window_s)

    def full_in(self, now: float) -> float:
        """Seconds until all that was used is free again."""
        return max(0.0, self._ageing[-1][0] - now) if self._ageing else 0.0

    def _age(self, units: int, now: float) -> None:
        # By the second, rounded up: a minute's worth of entries however many calls there are.
        until = int(now) + 1 + self.kind.window_s
        if self._ageing and self._ageing[-1][0] >= until:
            self._ageing[-1][1] += units
        else:
            self._ageing.append([until, units])


@dataclass(slots=True)
class Held:
    """What a call holds of one quota."""

    quota: QuotaRef
    lease: Lease
    units: int


class Hold:
    """What one call holds. `close` it once; a second time does nothing."""

    __slots__ = ("_parts", "process_id")

    def __init__(self, parts: list[Held], process_id: UUID) -> None:
        self._parts = parts
        self.process_id = process_id

    @property
    def money(self) -> int:
        """What the call may cost at most, in nano-units."""
        return min((part.units for part in self._parts if part.lease.money), default=0)

    @property
    def payers(self) -> list[str]:
        """The quotas that the call's cost is charged to."""
        return [part.quota.id for part in self._parts if part.lease.money]

    @property
    def included(self) -> dict[QuotaRef, int]:
        """The included units that are held, a model's own before those of all models."""
        parts = [part for part in self._parts if part.quota.kind is QuotaKind.ALLOWANCE]
        parts.sort(key=lambda part: part.quota.model == ANY_MODEL)
        return {part.quota: part.units for part in parts}

    def add(self, more: "Hold") -> None:
        """Take over what another hold has."""
        # By lease: a process that began anew has another lease of the same quota.
        mine = {id(part.lease): part for part in self._parts}
        for part in more._parts:
            if id(part.lease) in mine:
                mine[id(part.lease)].units += part.units
            else:
                self._parts.append(part)
        more._parts = []

    def close(
        self, cost: int, tokens: int, now: float, covered: Mapping[str, int] = _NOTHING
    ) -> None:
        """The call has ended: it cost so many nano-units, consumed so many tokens, and took what
        was `covered` of included units, by quota."""
        parts, self._parts = self._parts, []
        for part in parts:
            lease, units = part.lease, part.units
            if lease.spent:
                consumed = cost if lease.money else covered.get(part.quota.id, 0)
            else:
                consumed = tokens
            lease.close(units, consumed if consumed < units else units, now)


def take(leases: Sequence[tuple[Lease, Part]], process_id: UUID, now: float) -> Hold | None:
    """Hold every part, or nothing where one of them is not free."""
    for lease, (_, units) in leases:
        if lease.free(now) < units:
            return None
    for lease, (_, units) in leases:
        lease.hold(units, now)
    return Hold([Held(quota, lease, units) for lease, (quota, units) in leases], process_id)
