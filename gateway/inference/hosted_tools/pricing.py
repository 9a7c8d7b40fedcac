"""What a chat with hosted tools holds at most, to quote it: by the plan that is held for the call.

Nothing is held or sent.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.call.values import ParsedRequest, Principal
from gateway.inference.endpoints.embeddings import EMBEDDINGS
from gateway.inference.hosted_tools.finding import SpecialistTools
from gateway.inference.hosted_tools.holding import plan_steps
from gateway.inference.hosted_tools.plant_graph import PlantGraphTool
from gateway.inference.internal.linked_calls import HeldCall, LinkedCalls, distinct
from gateway.inference.retrieval_port import Grounder
from gateway.quota.demand import Demand


@dataclass(frozen=True, slots=True)
class HostedDemand:
    """What the calls of a conversation consume at most: those of its search, then its steps."""

    search: tuple[Demand, ...] = ()
    steps: tuple[Demand, ...] = ()

    @property
    def all(self) -> tuple[Demand, ...]:
        """Return the demands in the order in which they are held."""
        return (*self.search, *self.steps)

    def with_allowances(self, available: Mapping[str, int]) -> "HostedDemand":
        """Return the demands with the `available` allowance units (by quota id) that they use."""
        left = dict(available)
        return HostedDemand(_covered(self.search, left), _covered(self.steps, left))


@dataclass(frozen=True, slots=True)
class HostedPricer:
    """Prices chats with hosted tools, for one gateway process."""

    tools: SpecialistTools
    plant_graph: PlantGraphTool
    grounder: Grounder

    async def price(
        self, linked: LinkedCalls, principal: Principal, request: ParsedRequest
    ) -> HostedDemand | None:
        """Return what a chat holds; None if the language model alone will answer it.

        Raises the errors that the call raises before anything is held.
        """
        hosted = request.hosted_tools
        if hosted is None:
            return None
        if hosted.plant_graph:
            calls = await self.plant_graph.plan(principal.account_id, request, hosted)
            if calls is not None:
                return HostedDemand(steps=_demands(linked, principal, calls))
            if not hosted.specialists:
                return None
        read = await self.tools.read(principal, request, hosted)
        if not hosted.is_requested and not read.has_new_inputs:
            return None
        read.require_tools()
        searches = await self.grounder.list_search_requests(principal, request)
        price = partial(linked.highest_cost, principal)
        rounds = plan_steps(principal, request, read, hosted, searches, price)
        held = [call for steps in rounds for step in steps for call in step.calls]
        search = (HeldCall(EMBEDDINGS, one) for one in distinct(searches))
        return HostedDemand(_demands(linked, principal, search), _demands(linked, principal, held))


def _demands(
    linked: LinkedCalls, principal: Principal, calls: Iterable[HeldCall]
) -> tuple[Demand, ...]:
    """Return what each call consumes at most."""
    return tuple(linked.demand_of(principal, call) for call in calls)


def _covered(demands: Sequence[Demand], left: dict[str, int]) -> tuple[Demand, ...]:
    """Return the demands with the allowance units that they use, which `left` loses."""
    covered = []
    for demand in demands:
        covered.append(demand.with_allowances(left))
        for quota, units in covered[-1].allowance_use:
            left[quota.id] -= units
    return tuple(covered)
