"""Quota units that this process has leased, and their reservation by calls, in memory.

    borrowed = used + reserved + available

A reservation is made before a call and settled once, after its usage row is durable. Then consumed
money and included units become used; consumed units of a rate stay reserved for a minute; all other
units become available again. `now` is monotonic seconds.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from billing.metering.packs import PackQuotaRef
from billing.metering.quotas import QuotaRef
from billing.rating.terms import ANY_MODEL
from billing.tables import QuotaKind

QuotaUnits = tuple[QuotaRef, int]
"""A number of units of one quota."""
_NO_ALLOWANCE_UNITS: Mapping[str, int] = MappingProxyType({})


class Lease:
    """The units of one quota that this process has borrowed.

    `consumable` units are used up (money, included units); those of a rate expire and return.
    """

    __slots__ = (
        "_expiring",
        "_is_request_rate",
        "_is_token_rate",
        "_window_s",
        "borrowed",
        "consumable",
        "is_money",
        "kind",
        "reserved",
        "total_reserved",
        "used",
    )

    def __init__(self, kind: QuotaKind) -> None:
        self.kind = kind
        # Cached: enum attribute access costs as much as the arithmetic here.
        self.is_money, self.consumable = kind.money, kind.spent
        self._window_s = kind.window_s
        self._is_request_rate = kind is QuotaKind.REQUESTS
        self._is_token_rate = kind is QuotaKind.TOKENS
        self.borrowed = 0
        self.used = 0
        self.reserved = 0
        self.total_reserved = 0  # over the lease's lifetime, to measure its load
        self._expiring: deque[list[int]] = deque()

    def available(self, now: float) -> int:
        """Return the units that can be reserved now."""
        expiring = self._expiring
        while expiring and expiring[0][0] <= now:
            self.reserved -= expiring.popleft()[1]
        return self.borrowed - self.used - self.reserved

    def reserve(self, units: int, now: float) -> None:
        """Reserve units without checking that they are available."""
        self.reserved += units
        self.total_reserved += units
        if self._is_request_rate:
            self._expire_later(units, now)  # a request counts from its start, not its end

    def settle(self, units: int, consumed: int, now: float) -> None:
        """End a reservation of `units`, of which the call consumed `consumed`."""
        if self.consumable:
            self.reserved -= units
            self.used += consumed
        elif consumed and self._is_token_rate:
            self.reserved -= units - consumed
            self._expire_later(consumed, now)
        elif not self._is_request_rate:
            self.reserved -= units

    def seconds_until_available(self, units: int, now: float) -> float:
        """Return the seconds until `units` units of a rate limit are free again.

        The whole window if too few units are due to expire.
        """
        for expires_at, expiring_units in self._expiring:
            units -= expiring_units
            if units <= 0:
                return max(0.0, expires_at - now)
        return float(self._window_s)

    def seconds_until_full(self, now: float) -> float:
        """Return the seconds until all reserved units of a rate limit have expired."""
        return max(0.0, self._expiring[-1][0] - now) if self._expiring else 0.0

    def _expire_later(self, units: int, now: float) -> None:
        """Keep units of a rate limit reserved until its time window has passed."""
        # Rounded up to seconds: at most one entry per second, for any number of calls.
        expires_at = int(now) + 1 + self._window_s
        if self._expiring and self._expiring[-1][0] >= expires_at:
            self._expiring[-1][1] += units
        else:
            self._expiring.append([expires_at, units])


@dataclass(slots=True)
class ReservedUnits:
    """The units of one quota that a call has reserved."""

    quota: QuotaRef
    lease: Lease
    units: int


class Reservation:
    """All units that one call has reserved. A second `settle` has no effect.

    `hold_id` is the hold that pays for the call; None if the leases of the process do.
    """

    __slots__ = ("_reserved", "hold_id", "process_id")

    def __init__(
        self, reserved_units: list[ReservedUnits], process_id: UUID, hold_id: UUID | None = None
    ) -> None:
        self._reserved = reserved_units
        self.process_id = process_id
        self.hold_id = hold_id

    @property
    def max_cost_nano(self) -> int:
        """Return the cost that the reserved money covers, in nano-units."""
        return min(
            [reserved.units for reserved in self._reserved if reserved.lease.is_money], default=0
        )

    @property
    def charged_quota_ids(self) -> list[str]:
        """Return the ids of the money quotas that the call's cost is charged to."""
        return [reserved.quota.id for reserved in self._reserved if reserved.lease.is_money]

    @property
    def reserved_allowances(self) -> dict[QuotaRef, int]:
        """Return the reserved included units by quota, in the order in which they are used.

        A pack of tokens is listed for each of its meters, also for those without reserved units:
        which meter uses the units is known after the call.
        """
        reserved_units = [
            reserved for reserved in self._reserved if reserved.quota.kind is QuotaKind.ALLOWANCE
        ]
        reserved_units.sort(key=lambda reserved: allowance_order(reserved.quota))
        units_by_quota: dict[QuotaRef, int] = {}
        for reserved in reserved_units:
            quota = reserved.quota
            if isinstance(quota, PackQuotaRef):
                for ref in quota.for_each_meter():
                    units_by_quota.setdefault(ref, 0)
            units_by_quota[quota] = units_by_quota.get(quota, 0) + reserved.units
        return units_by_quota

    def merge(self, other: "Reservation") -> None:
        """Move the units of another reservation into this one."""
        # By lease: after a restart of the heartbeat a quota has another lease. And by meter: a pack
        # of tokens has one lease for several.
        own = {(id(reserved.lease), reserved.quota.meter): reserved for reserved in self._reserved}
        for reserved in other._reserved:
            key = id(reserved.lease), reserved.quota.meter
            if key in own:
                own[key].units += reserved.units
            else:
                self._reserved.append(reserved)
        other._reserved = []

    def settle(
        self,
        cost: int,
        tokens: int,
        now: float,
        allowance_units: Mapping[str, int] = _NO_ALLOWANCE_UNITS,
    ) -> None:
        """End the reservation: charge what the call consumed to the leases, and free the rest.

        `cost` is in nano-units, `allowance_units` are the consumed included units by quota id.
        """
        reserved_units, self._reserved = self._reserved, []
        left = dict(allowance_units) if allowance_units else {}
        for reserved in reserved_units:
            lease, units = reserved.lease, reserved.units
            if lease.is_money:
                consumed = cost
            elif lease.consumable:
                # A pack of tokens is reserved once per meter, and used from its sum.
                consumed = min(left.get(reserved.quota.id, 0), units)
                left[reserved.quota.id] = left.get(reserved.quota.id, 0) - consumed
            else:
                consumed = tokens
            lease.settle(units, consumed if consumed < units else units, now)


def allowance_order(quota: QuotaRef) -> tuple[float, bool]:
    """Return the sort key of included units: those of plans, then packs by their expiry.

    Of those that are alike, model-specific ones come first.
    """
    expires_at = quota.expires_at if isinstance(quota, PackQuotaRef) else None
    return 0.0 if expires_at is None else expires_at.timestamp(), quota.model == ANY_MODEL


def reserve_all(
    leases: Sequence[tuple[Lease, QuotaUnits]],
    process_id: UUID,
    now: float,
    hold_id: UUID | None = None,
) -> Reservation | None:
    """Reserve all units of all leases. Returns None and reserves nothing if any is unavailable."""
    for lease, (_, units) in leases:
        if lease.available(now) < units:
            return None
    for lease, (_, units) in leases:
        lease.reserve(units, now)
    return Reservation(
        [ReservedUnits(quota, lease, units) for lease, (quota, units) in leases],
        process_id,
        hold_id,
    )
