"""Apply included units and prepaid packs to a call's units, in the order of their quotas.

A pack of tokens covers several meters: it is listed once per meter, each time with the same id.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from billing.metering.quotas import QuotaRef
from gateway.call.reservation import QuotaUnits

AllowanceUse = tuple[QuotaUnits, ...]
"""The included units that a call uses, by quota."""
NO_ALLOWANCE_USE: AllowanceUse = ()


def apply_allowances(
    units_by_meter: Mapping[str, int], allowances: Iterable[QuotaRef], available: Mapping[str, int]
) -> AllowanceUse:
    """Return the included units that a call uses, as far as available, by allowance in order."""
    remaining, left, allowance_use = dict(units_by_meter), dict(available), []
    for quota in allowances:
        units = min(remaining[quota.meter], left.get(quota.id, 0))
        if units > 0:
            remaining[quota.meter] -= units
            left[quota.id] -= units
            allowance_use.append((quota, units))
    return tuple(allowance_use)


def covered_units_by_meter(allowance_use: AllowanceUse) -> Counter[str]:
    """Sum the included units that a call uses, by meter."""
    units_by_meter: Counter[str] = Counter()
    for quota, units in allowance_use:
        units_by_meter[quota.meter] += units
    return units_by_meter


def covered_by_meter_and_quota(
    allowance_use: Sequence[QuotaUnits],
) -> dict[str, dict[str, int]] | None:
    """Return the covered units as a usage row stores them. Returns None if nothing is covered."""
    covered: dict[str, dict[str, int]] = {}
    for quota, units in allowance_use:
        covered.setdefault(quota.meter, {})[quota.id] = units
    return covered or None
