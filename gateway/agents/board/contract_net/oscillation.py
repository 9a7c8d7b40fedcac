"""Detect members whose decision about an asset goes back and forth; pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

OSCILLATING = "agent_oscillating"
_MAX_ASSETS = 200


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """The last decision of a member about an asset, and when it changed, within the window."""

    last: str
    at: datetime
    flips: tuple[datetime, ...] = ()


def note_decision(before: Decided | None, decision: str, at: datetime, window_s: float) -> Decided:
    """Return what is kept after a decision.

    Changes outside the window are dropped, also those of the future, before a clock was set back.
    """
    if before is None:
        return Decided(last=decision, at=at)
    since = at - timedelta(seconds=window_s)
    flips = tuple(one for one in before.flips if since < one <= at)
    if decision != before.last:
        flips = (*flips, at)
    return Decided(last=decision, at=at, flips=flips)


def is_oscillating(decided: Decided, max_flips: int) -> bool:
    """Return whether the decision changed more than `max_flips` times in the window."""
    return len(decided.flips) > max_flips


def noted(
    decisions: Mapping[str, Any], asset: str, decision: str, at: datetime, window_s: float
) -> tuple[dict[str, Any], Decided]:
    """Return the stored decisions of a member after one about an asset, and what is kept of it.

    Of at most 200 assets, those decided about last.
    """
    known = msgspec.convert(decisions, dict[str, Decided])
    decided = note_decision(known.pop(asset, None), decision, at, window_s)
    latest = sorted(known.items(), key=lambda one: one[1].at)[-(_MAX_ASSETS - 1) :]
    stored: dict[str, Any] = msgspec.to_builtins({**dict(latest), asset: decided})
    return stored, decided
