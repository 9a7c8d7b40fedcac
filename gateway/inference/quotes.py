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
from gateway.collaboration.helpers import MAX_ASKED_BYTES
from gateway.inference.admission import Admission
from gateway.inference.decisions.planning import DecisionPlanner
from gateway.inference.endpoints.decisions import DECISIONS
from gateway.inference.endpoints.embeddings import EMBEDDINGS
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.endpoints.plant_tags import TAG_PROPOSAL
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.endpoints.table import ENDPOINTS, find_endpoint
from gateway.inference.hosted_tools.helpers import HelperFinder, question_request
from gateway.inference.hosted_tools.holding import ADDED_TOKENS
from gateway.inference.parsing import Parser
from gateway.inference.retrieval_port import Grounder
from gateway.quota.allowance import apply_allowances, covered_units_by_meter
from gateway.quota.demand import Demand
from gateway.wire import body as bodies
from gateway.wire.hosted_tools.steps import step_request
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
    ) -> None:
        self._planner = planner
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
        bounded_demand = self._full_answer_demand(call, principal, request)
        demand = await self._admission.with_counted_prompt(call, request, bounded_demand)
        if demand is bounded_demand:
            min_input_tokens, input_tokens_are = 0, "bounded"
        else:
            min_input_tokens, input_tokens_are = demand.input_tokens, "counted"
        async with self._database.transaction() as session:
            balance = await remaining_credit(session, principal.account_id)
            quotas = [quota.id for quota in demand.allowances]
            units_left = (
                await remaining_units_by_quota(session, principal.account_id, quotas)
                if quotas
                else {}
            )
        demand = demand.with_allowances(units_left)
        search = self._max_search_cost(call, principal, request)
        steps = self._max_steps_cost(call, principal, request)
        least = _min_cost(min_input_tokens, demand, units_left)
        if request.hosted_tools is not None:
            least = 0  # inputs may have to be asked for, which costs nothing
        return {
            "object": "quote",
            "model": request.model.id,
            "endpoint": call.path,
            "currency": principal.currency,
            "input_tokens": demand.input_tokens,
            "input_tokens_are": input_tokens_are,
            "max_output_tokens": demand.output_tokens,
            **{meter: demand.non_token_units.get(meter) for meter in NON_TOKEN_METERS},
            "max_cost": nano_text(demand.max_cost_nano + search + linked_cost + steps),
            "min_cost": nano_text(least),
            **({} if request.retrieval is None else {"file_search_max_cost": nano_text(search)}),
            **({"hosted_tools_max_cost": nano_text(steps)} if request.hosted_tools else {}),
            "included": dict(covered_units_by_meter(demand.allowance_use)),
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
        search = self._max_search_cost(call, principal, request)
        least = 0 if request.hosted_tools else _min_cost(min_input_tokens, demand, {})
        steps = self._max_steps_cost(call, principal, request)
        highest = demand.max_cost_nano + search + linked_cost + steps
        return CostBounds(request.model.id, least, highest)

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

    def _max_search_cost(
        self, call: Call, principal: Principal, request: ParsedRequest, more_tokens: int = 0
    ) -> int:
        """Return the worst-case cost of the request's search, in nano-units.

        `more_tokens` are those of a longer query.
        """
        embedding_call = replace(call, operation=EMBEDDINGS.operation)
        search_request = self._grounder.build_search_request(principal, request)
        if search_request is None:
            return 0
        demand = self._admission.compute_demand(embedding_call, principal, search_request)
        return replace(demand, input_tokens=demand.input_tokens + more_tokens).max_cost_nano

    def _max_steps_cost(self, call: Call, principal: Principal, request: ParsedRequest) -> int:
        """Return what the steps of hosted tools cost at most beside one answer, in nano-units.

        Each call is one row of a specialist, a search, or a question to another language model, and
        leads to another step of the language model.
        """
        hosted = request.hosted_tools
        if hosted is None or not (hosted.specialists or hosted.is_requested):
            return 0
        step = self._admission.compute_demand(call, principal, step_request(request, (), ()))
        step = replace(step, input_tokens=step.input_tokens + ADDED_TOKENS * hosted.max_calls)
        if not hosted.specialists:
            return step.max_cost_nano
        prices = [
            max(priced.prices.get(meter, 0) for meter in ("rows", "images"))
            for priced in principal.model_prices.values()
        ]
        prices.append(self._max_search_cost(call, principal, request, MAX_ASKED_BYTES))
        for asked in HelperFinder(self._parser).find_models(principal, hosted):
            question = question_request(asked, "", request.tags, principal)
            demand = self._admission.compute_demand(call, principal, question)
            more = demand.input_tokens + MAX_ASKED_BYTES
            prices.append(replace(demand, input_tokens=more).max_cost_nano)
        return hosted.max_calls * (step.max_cost_nano + max(prices, default=0))

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
