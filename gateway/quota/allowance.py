"""Cover: which included units pay for which units of a call.

A model's own allowance goes before the one of all models, as on the bill. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from billing.metering.quotas import QuotaRef
from gateway.call.reservation import Part

Cover = tuple[Part, ...]
NO_COVER: Cover = ()


def cover(needs: Mapping[str, int], included: Iterable[QuotaRef], free: Mapping[str, int]) -> Cover:
    """What the allowances, in their order, give of what is free for so many units by meter."""
    left, parts = dict(needs), []
    for quota in included:
        units = min(left[quota.meter], free.get(quota.id, 0))
        if units > 0:
            left[quota.meter] -= units
            parts.append((quota, units))
    return tuple(parts)


def covered(parts: Cover) -> Counter[str]:
    """The covered units by meter."""
    found: Counter[str] = Counter()
    for quota, units in parts:
        found[quota.meter] += units
    return found


def by_meter(parts: Sequence[Part]) -> dict[str, dict[str, int]] | None:
    """The same as a usage row tells it; None where nothing is covered."""
    found: dict[str, dict[str, int]] = {}
    for quota, units in parts:
        found.setdefault(quota.meter, {})[quota.id] = units
    return found or None
