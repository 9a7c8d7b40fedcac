"""Quotes: the cost of a call before it is made, computed from the call's own body.

A quote is priced like admission, including the call's tags. It reserves and sends nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from billing.metering.allowances import remaining_units_by_quota
from billing.metering.leases import remaining_credit
from billing.money import nano_text
from billing.rating.quantities import NON_TOKEN_METERS, Quantities, call_cost, units_by_meter
from gateway.call.errors import BodyTooLarge, ParameterInvalid
from gateway.call.values import Call, ParsedRequest, Principal
from gateway.inference.admission import Admission
from gateway.inference.decisions.planning import DecisionPlanner
from gateway.inference.endpoints.decisions import DECISIONS
from gateway.inference.endpoints.embeddings import EMBEDDINGS
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.endpoints.plant_tags import TAG_PROPOSAL
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.endpoints.table import ENDPOINTS, find_endpoint
from gateway.inference.hosted_tools.pricing import HostedDemand, HostedPricer
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.parsing import Parser
from gateway.inference.retrieval_port import Grounder
from gateway.quota.allowance import apply_allowances, covered_units_by_meter
from gateway.quota.demand import Demand
from gateway.wire import body as bodies
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_QUOTABLE = tuple(endpoint for endpoint in ENDPOINTS.values() if endpoint.quote_field is not None)
# Text endpoints have no field of their own: the path tells them from chats and embeddings.
_QUOTABLE_BY_PATH = {
    endpoint.path: endpoint
    for endpoint in ENDPOINTS.values()
    if endpoint.prompt is not None or endpoint.quote_field is not None
}
_CALL_FIELDS = [f"`{endpoint.quote_field}`" for endpoint in _QUOTABLE if not endpoint.is_job]


@dataclass(frozen=True, slots=True)
class CostBounds:
    """The lowest and the highest cost of a call without included units, in nano-units."""

    model_id: str
    min_nano: int
    max_nano: int


@dataclass(frozen=True, slots=True)
class MaxCost:
    """The worst-case cost of an answer or of hosted steps, and of a search, in nano-units.

    `included` are the units by meter that allowances cover.
    """

    answer_nano: int
    search_nano: int
    included: Mapping[str, int]

    @property
    def total_nano(self) -> int:
        """Return the sum of both."""
        return self.answer_nano + self.search_nano

    def parts(self, searches: bool, is_hosted: bool) -> dict[str, str]:
        """Return the parts of the sum that a quote has, by field."""
        search = {"file_search_max_cost": nano_text(self.search_nano)} if searches else {}
        steps = {"hosted_tools_max_cost": nano_text(self.answer_nano)} if is_hosted else {}
        return {**search, **steps}


class Quotes:
    """Creates quotes in one gateway process."""

    def __init__(
        self,
        parser: Parser,
        grounder: Grounder,
        admission: Admission,
        database: Database,
        clock: Clock,
        max_body_bytes: int,
        planner: DecisionPlanner,
        hosted: HostedPricer,
    ) -> None:
        self._planner = planner
        self._hosted = hosted
        self._parser = parser
        self._grounder = grounder
        self._admission = admission
        self._database = database
        self._clock = clock
        self._max_body_bytes = max_body_bytes

    async def create(
        self,
        principal: Principal,
        body: bytes,
        headers: Mapping[bytes, bytes],
        path: str | None = None,
    ) -> dict[str, Any]:
        """Return the worst-case and minimum cost of a call, with its balance and allowances.

        Counts the prompt's tokens if the model's tokenizer is available. `headers` are the call's
        headers that affect its price, `path` is its endpoint's; None if the body's fields tell it.
        Raises the errors that the call would raise.
        """
        if len(body) > self._max_body_bytes:
            raise BodyTooLarge(f"The request body is larger than {self._max_body_bytes} bytes.")
        call = self._call(body, headers, path)
        body = find_endpoint(call.operation).internal_body(call, body)
        request, linked_cost = self._parse(call, body, principal)
        hosted = await self._price_hosted(call, principal, request)
        bounded_demand = self._full_answer_demand(call, principal, request)
        demand = await self._admission.with_counted_prompt(call, request, bounded_demand)
        if demand is bounded_demand:
            min_input_tokens, input_tokens_are = 0, "bounded"
        else:
            min_input_tokens, input_tokens_are = demand.input_tokens, "counted"
        async with self._database.transaction() as session:
            balance = await remaining_credit(session, principal.account_id)
            demands = (demand,) if hosted is None else hosted.all
            quotas = list({quota.id for one in demands for quota in one.allowances})
            units_left = (
                await remaining_units_by_quota(session, principal.account_id, quotas)
                if quotas
                else {}
            )
        cost = self._max_cost(call, principal, request, demand, hosted, units_left)
        # Inputs of hosted tools may have to be asked for, which costs nothing.
        least = 0 if hosted is not None else _min_cost(min_input_tokens, demand, units_left)
        return {
            "object": "quote",
            "model": request.model.id,
            "endpoint": call.path,
            "currency": principal.currency,
            "input_tokens": demand.input_tokens,
            "input_tokens_are": input_tokens_are,
            "max_output_tokens": demand.output_tokens,
            **{meter: demand.non_token_units.get(meter) for meter in NON_TOKEN_METERS},
            "max_cost": nano_text(cost.total_nano + linked_cost),
            "min_cost": nano_text(least),
            **cost.parts(request.retrieval is not None, hosted is not None),
            "included": dict(cost.included),
            "balance": None if balance is None else nano_text(max(0, balance)),
            "price_nano_per_unit": dict(demand.prices),
        }

    async def bound_cost(
        self, principal: Principal, body: bytes, headers: Mapping[bytes, bytes]
    ) -> CostBounds:
        """Return the bounds of a call's cost, for a part of a larger quote.

        Raises the errors of parsing and pricing; limits are not checked.
        """
        call = self._call(body, headers)
        request, linked_cost = self._parse(call, body, principal)
        bounded_demand = self._full_answer_demand(call, principal, request)
        demand = await self._admission.with_counted_prompt(call, request, bounded_demand)
        min_input_tokens = 0 if demand is bounded_demand else demand.input_tokens
        hosted = await self._price_hosted(call, principal, request)
        least = 0 if hosted is not None else _min_cost(min_input_tokens, demand, {})
        cost = self._max_cost(call, principal, request, demand, hosted, {})
        return CostBounds(request.model.id, least, cost.total_nano + linked_cost)

    async def require_searchable(self, principal: Principal, body: bytes) -> None:
        """Raise the error of the request's `file_search` if it cannot be made."""
        request = self._parser.parse(self._call(body, {}), body, principal)
        await self._grounder.list_search_requests(principal, request)

    def _parse(self, call: Call, body: bytes, principal: Principal) -> tuple[ParsedRequest, int]:
        """Return the parsed request and the worst-case cost of a decision's linked calls."""
        request = self._parser.parse(call, body, principal)
        if request.decision is None:
            return request, 0
        plan = self._planner.plan(call, principal, request)
        prediction = replace(call, operation=PREDICTIONS.operation)
        demands = (
            self._admission.compute_demand(prediction, principal, planned.request)
            for planned in plan.linked
        )
        return plan.request, sum(demand.max_cost_nano for demand in demands)

    def _max_cost(
        self,
        call: Call,
        principal: Principal,
        request: ParsedRequest,
        demand: Demand,
        hosted: HostedDemand | None,
        units_left: Mapping[str, int],
    ) -> MaxCost:
        """Return the worst-case cost after the remaining allowances, as the call holds it.

        The client's call itself consumes nothing if its steps do.
        """
        if hosted is None:
            covered = demand.with_allowances(units_left)
            search = self._max_search_cost(call, principal, request)
            included = covered_units_by_meter(covered.allowance_use)
            return MaxCost(covered.max_cost_nano, search, included)
        held = hosted.with_allowances(units_left)
        use = tuple(units for one in held.all for units in one.allowance_use)
        steps, search = (
            sum(one.max_cost_nano for one in part) for part in (held.steps, held.search)
        )
        return MaxCost(steps, search, covered_units_by_meter(use))

    def _max_search_cost(self, call: Call, principal: Principal, request: ParsedRequest) -> int:
        """Return the worst-case cost of the request's search, in nano-units."""
        embedding_call = replace(call, operation=EMBEDDINGS.operation)
        search_request = self._grounder.build_search_request(principal, request)
        if search_request is None:
            return 0
        return self._admission.compute_demand(
            embedding_call, principal, search_request
        ).max_cost_nano

    async def _price_hosted(
        self, call: Call, principal: Principal, request: ParsedRequest
    ) -> HostedDemand | None:
        """Return what a chat with hosted tools holds, None for a call without them."""
        linked = LinkedCalls(call, self._admission, self._clock)
        return await self._hosted.price(linked, principal, request)

    def _full_answer_demand(
        self, call: Call, principal: Principal, request: ParsedRequest
    ) -> Demand:
        """Return the worst-case demand of the whole answer; a stream reserves it only in steps."""
        demand = self._admission.compute_demand(call, principal, request)
        bounds = request.output_bounds
        return replace(demand, output_tokens=bounds.max_tokens_per_choice * bounds.choices)

    def _call(self, body: bytes, headers: Mapping[bytes, bytes], path: str | None = None) -> Call:
        """Return the call that this body would make."""
        endpoint = _find_by_fields(body) if path is None else _find_by_path(path)
        return Call(
            request_id=ids.new_id(),
            operation=endpoint.operation,
            path=endpoint.path,
            credentials=None,
            headers=headers,
            model_in_path=None,
            started_at=self._clock.now(),
            started_monotonic=self._clock.monotonic(),
        )


def _find_by_fields(body: bytes) -> Endpoint:
    """Return the endpoint whose bodies have the fields of this one. Raises ParameterInvalid."""
    fields = bodies.decode_fields(body)
    matching = [endpoint for endpoint in _QUOTABLE if endpoint.quote_field in fields]
    # Their bodies also have the field of another endpoint: of embeddings, of alignments.
    for special in (DECISIONS, TAG_PROPOSAL):
        if special in matching:
            matching = [special]
    if not matching and "asset" in fields:
        matching = [PREDICTIONS]
    if len(matching) != 1:
        names = f"{', '.join(_CALL_FIELDS[:-1])} or {_CALL_FIELDS[-1]}"
        raise ParameterInvalid(f"Send the body of the call: it has {names}.")
    return matching[0]


def _find_by_path(path: str) -> Endpoint:
    """Return the endpoint with a path. Raises ParameterInvalid that lists the paths."""
    endpoint = _QUOTABLE_BY_PATH.get(path)
    if endpoint is None:
        paths = ", ".join(_QUOTABLE_BY_PATH)
        raise ParameterInvalid(f"`endpoint` must be one of {paths}.", param="endpoint")
    return endpoint


def _min_cost(min_input_tokens: int, demand: Demand, units_left: Mapping[str, int]) -> int:
    """Return a call's lowest cost in nano-units: no output tokens, the prompt cached if cheaper.

    A prompt that was not counted may have next to no tokens: `min_input_tokens` is then 0.
    """

    def cost(quantities: Quantities) -> int:
        """Return the cost of quantities after the remaining allowances, in nano-units."""
        allowance_use = apply_allowances(
            units_by_meter(quantities, demand.prices), demand.allowances, units_left
        )
        return call_cost(quantities, demand.prices, covered_units_by_meter(allowance_use))

    quantities = replace(demand.non_token_units, input_tokens=min_input_tokens)
    return min(cost(quantities), cost(replace(quantities, cached_input_tokens=min_input_tokens)))
