"""Contract net: bids of the members of a team for a task, and their order; pure and deterministic.

    bid = capability x share of the budget that is left / (1 + distance) / (1 + load)

Every process computes the same bids from the same rows, so that no messages are needed.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from gateway.agents.board.contract_net.values import ROLE_OF
from gateway.tables.agents_board import TaskKind

# Steps between two assets that have no common ancestor.
UNRELATED = 12
_DIGITS = 6


class Bidder(msgspec.Struct, frozen=True, kw_only=True):
    """A member of the team as the bid sees it.

    kinds: actions that it may take. path: ids of its asset and the ancestors, the root first.
    budget_left: share of its own daily budget that is left, 0 to 1. load: tasks that it holds.
    """

    agent_id: UUID
    role: str
    version: int
    predicts: bool = False
    kinds: frozenset[str] = frozenset()
    path: tuple[UUID, ...] = ()
    budget_left: float = 1.0
    load: int = 0


class TaskNeeds(msgspec.Struct, frozen=True, kw_only=True):
    """What a task needs. excluded: agents that already gave a verdict in the case."""

    kind: TaskKind
    path: tuple[UUID, ...] = ()
    actions: frozenset[str] = frozenset()
    excluded: frozenset[UUID] = frozenset()


class Bid(msgspec.Struct, frozen=True, kw_only=True):
    """The bid of a member with what it was computed from; more is better."""

    agent_id: UUID
    version: int
    value: float
    capability: float
    distance: int
    budget_left: float
    load: int


def make_bid(wanted: TaskNeeds, bidder: Bidder) -> Bid | None:
    """Return the bid of a member, None if it cannot do the task."""
    capability = _capability(wanted, bidder)
    if capability <= 0:
        return None
    budget = 1.0 if wanted.kind in _WITHOUT_CALLS else max(0.0, min(1.0, bidder.budget_left))
    if budget <= 0:
        return None
    distance = asset_distance(wanted.path, bidder.path)
    value = capability * budget / (1 + distance) / (1 + bidder.load)
    return Bid(
        agent_id=bidder.agent_id,
        version=bidder.version,
        value=round(value, _DIGITS),
        capability=round(capability, _DIGITS),
        distance=distance,
        budget_left=round(budget, _DIGITS),
        load=bidder.load,
    )


def rank_bids(
    wanted: TaskNeeds, bidders: Iterable[Bidder], lapsed: Mapping[UUID, int]
) -> Sequence[Bid]:
    """Return the bids, the best first. lapsed: leases of the task that an agent did not renew.

    Whoever let fewer leases lapse comes first, so that a task goes to the next bidder.
    """
    bids = [bid for one in bidders if (bid := make_bid(wanted, one)) is not None]
    return sorted(bids, key=lambda bid: (lapsed.get(bid.agent_id, 0), -bid.value, bid.agent_id))


def asset_distance(path: Sequence[UUID], other: Sequence[UUID]) -> int:
    """Return the steps between two assets in the hierarchy, given by their paths from the root."""
    common = 0
    for one, two in zip(path, other, strict=False):
        if one != two:
            break
        common += 1
    if not common:
        return UNRELATED
    return min(len(path) + len(other) - 2 * common, UNRELATED)


def _capability(wanted: TaskNeeds, bidder: Bidder) -> float:
    """Return how much of a task a member can do, 0 to 1."""
    if bidder.role != ROLE_OF[wanted.kind] or bidder.agent_id in wanted.excluded:
        return 0.0
    if wanted.kind in (TaskKind.DIAGNOSE, TaskKind.REVIEW):
        return float(bidder.predicts)
    if wanted.kind is TaskKind.EXECUTE and wanted.actions:
        return len(wanted.actions & bidder.kinds) / len(wanted.actions)
    return 1.0


_WITHOUT_CALLS = frozenset({TaskKind.PLAN, TaskKind.EXECUTE})
