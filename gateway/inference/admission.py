"""Admission control: reserve quota for the worst case of a call, or reject the call.

Every call passes here. The worst case is priced by the same function as the invoice and reserved in
every quota that limits it. If a quota does not cover it, the answer is shortened first.
"""

from collections.abc import Mapping
from dataclasses import replace

from billing.money import nano_from_text
from billing.outcomes.contracts.attribution import CONTRACT_TAG
from billing.rating.quantities import NO_USAGE
from gateway.call.errors import ModelNotAllowed, ModelNotPriced, ParameterInvalid
from gateway.call.reservation import Reservation
from gateway.call.values import AdmittedCall, Call, ModelPrices, ParsedRequest, Principal
from gateway.inference.decisions.prompt_tokens import count_prompt_tokens, max_decision_tokens
from gateway.inference.endpoints.table import ENDPOINTS
from gateway.inference.quota_errors import max_cost_error, quota_error
from gateway.inference.service_tier import prices_at_tier
from gateway.inference.token_count import (
    PromptTokenCounter,
    max_prompt_tokens,
    max_prompt_tokens_by_size,
)
from gateway.quota.demand import Demand
from gateway.quota.leaser import QuotaDenied, QuotaLeaser

# Tokens per choice reserved at a time for a stream whose client set no limit.
STREAM_RESERVATION_TOKENS = 1024
# The shortest answer per choice: a shorter one would not be worth the cost of its prompt.
_MIN_OUTPUT_TOKENS = 16


class Admission:
    """Admits or rejects the calls of one gateway process."""

    def __init__(
        self, leaser: QuotaLeaser, counter: PromptTokenCounter, credit_wait_s: float
    ) -> None:
        self._leaser = leaser
        self._counter = counter
        self._credit_wait_s = credit_wait_s

    def compute_demand(self, call: Call, principal: Principal, request: ParsedRequest) -> Demand:
        """Return the worst-case consumption of a call; its prompt is bounded by the body's size.

        Raises ModelNotAllowed, ModelNotPriced, ServiceTierNotAvailable.
        """
        model_prices = model_prices_of(principal, request)
        bounds = request.output_bounds
        tokens_per_choice = bounds.max_tokens_per_choice
        if request.stream and not bounds.is_client_limited:
            tokens_per_choice = min(tokens_per_choice, STREAM_RESERVATION_TOKENS)
        return Demand(
            input_tokens=_prompt_tokens(call, request),
            output_tokens=tokens_per_choice * bounds.choices,
            min_output_tokens=min(tokens_per_choice, _MIN_OUTPUT_TOKENS) * bounds.choices,
            streams=1 if request.stream else 0,
            requests=1,
            prices=model_prices.prices,
            quotas=principal.quotas,
            non_token_units=bounds.non_token_units,
            allowances=model_prices.allowances,
        )

    def try_admit(
        self, call: Call, principal: Principal, request: ParsedRequest
    ) -> AdmittedCall | None:
        """Admit a call with quota leased to this process, or return None if `admit` must decide.

        The fast path: does not wait. Raises ModelNotAllowed, ModelNotPriced,
        ServiceTierNotAvailable, MeteringUnavailable.
        """
        if b"x-max-cost" in call.headers:
            return None
        reserved = self._leaser.try_reserve(self.compute_demand(call, principal, request))
        if reserved is None:
            return None
        admitted = self._admitted_call(principal, request, *reserved)
        if admitted.reduced_max_tokens is None:
            return admitted
        # Near a limit `admit` counts the prompt: its cost decides how long the answer can be.
        self._leaser.release(admitted.reservation)
        return None

    async def admit_internal(
        self, call: Call, principal: Principal, request: ParsedRequest, more_tokens: int = 0
    ) -> AdmittedCall:
        """Admit an internal call that serves another call; it does not count as a request.

        `more_tokens` will be added to the prompt. Raises the errors of `admit`.
        """
        demand = self.compute_demand(call, principal, request)
        demand = replace(demand, requests=0, input_tokens=demand.input_tokens + more_tokens)
        return await self._admit(call, principal, request, demand, None)

    def try_admit_internal(
        self, call: Call, principal: Principal, request: ParsedRequest
    ) -> AdmittedCall | None:
        """Admit an internal call like `try_admit`, so that no other call gets what was released."""
        demand = replace(self.compute_demand(call, principal, request), requests=0)
        reserved = self._leaser.try_reserve(demand)
        return None if reserved is None else self._admitted_call(principal, request, *reserved)

    async def admit(
        self, call: Call, principal: Principal, request: ParsedRequest, linked_cost_nano: int = 0
    ) -> AdmittedCall:
        """Admit a call near a limit: count its prompt, wait for credit, shorten its answer.

        `linked_cost_nano` is reserved for its linked calls; X-Max-Cost limits the sum. Raises
        CreditExhausted, CreditReserved, BudgetExhausted, RateLimited, TooManyStreams, CallTooLarge,
        MaxCostExceeded, ParameterInvalid, MeteringUnavailable and the errors of `compute_demand`.
        """
        max_cost = parse_max_cost(call.headers)
        demand = self.compute_demand(call, principal, request)
        if max_cost is None:
            return await self._admit(call, principal, request, demand, None)
        try:
            left = max_cost - linked_cost_nano
            return await self._admit(call, principal, request, demand, left)
        except _MaxCostExceeded as found:
            cost = found.max_cost_nano + linked_cost_nano
            raise max_cost_error(cost, max_cost, principal) from None

    async def _admit(
        self,
        call: Call,
        principal: Principal,
        request: ParsedRequest,
        demand: Demand,
        max_cost: int | None,
    ) -> AdmittedCall:
        """Reserve the demand; count the prompt and wait for credit only if it does not fit."""
        if request.stream and not request.output_bounds.is_client_limited:
            # The engine's token limit depends on the cost of the prompt.
            demand = await self.with_counted_prompt(call, request, demand)
        try:
            fitted, reservation = await self._reserve(demand, max_cost, request, 0.0)
        except (QuotaDenied, _MaxCostExceeded):
            pass
        else:
            if fitted.output_tokens == demand.output_tokens:
                return self._admitted_call(principal, request, fitted, reservation, max_cost)
            self._leaser.release(reservation)
        demand = await self.with_counted_prompt(call, request, demand)
        try:
            fitted, reservation = await self._reserve(
                demand, max_cost, request, self._credit_wait_s
            )
        except QuotaDenied as denied:
            raise quota_error(denied.shortage, principal, demand) from None
        return self._admitted_call(principal, request, fitted, reservation, max_cost)

    def release(self, admitted: AdmittedCall) -> None:
        """Release the reservation of an admitted call whose model is unreachable."""
        self._leaser.release(admitted.reservation)

    async def _reserve(
        self, demand: Demand, max_cost: int | None, request: ParsedRequest, wait_s: float
    ) -> tuple[Demand, Reservation]:
        """Reserve quota within the client's X-Max-Cost. Raises QuotaDenied, _MaxCostExceeded."""
        if max_cost is None:
            return await self._leaser.reserve(demand, wait_s)
        # Included units cost nothing, and only the reservation shows how many are available.
        wanted = demand if demand.allowances else _shorten_to_cost(demand, max_cost, request)
        reserved, reservation = await self._leaser.reserve(wanted, wait_s)
        try:
            return _shorten_to_cost(reserved, max_cost, request), reservation
        except _MaxCostExceeded:
            self._leaser.release(reservation)
            raise

    async def with_counted_prompt(
        self, call: Call, request: ParsedRequest, demand: Demand
    ) -> Demand:
        """Return the demand with the exact prompt tokens, if the model's tokenizer is available."""
        count = await count_prompt_tokens(self._counter, ENDPOINTS[call.operation].prompt, request)
        if count is None:
            return demand
        return replace(
            demand, input_tokens=min(_with_retrieved_passages(count, request), demand.input_tokens)
        )

    def _admitted_call(
        self,
        principal: Principal,
        request: ParsedRequest,
        demand: Demand,
        reservation: Reservation,
        max_cost: int | None = None,
    ) -> AdmittedCall:
        """Build the admitted call, limiting the answer to what is or can be reserved."""
        model_prices, choices = model_prices_of(principal, request), request.output_bounds.choices
        max_output_tokens = request.output_bounds.max_tokens_per_choice * choices
        if demand.output_tokens >= max_output_tokens or request.with_max_tokens is None:
            return AdmittedCall(principal, request, model_prices, reservation)
        affordable = (
            self._affordable_output_tokens(demand, max_output_tokens, max_cost)
            if request.stream
            else demand.output_tokens
        )
        tokens_per_choice = max(1, affordable // choices)
        allowance: StreamOutputReservation | None = None
        if request.stream:
            allowance = StreamOutputReservation(
                self._leaser, demand, reservation, tokens_per_choice * choices, max_cost
            )
        if tokens_per_choice * choices >= max_output_tokens:
            return AdmittedCall(principal, request, model_prices, reservation, allowance)
        shorter = replace(request, body=request.with_max_tokens(tokens_per_choice))
        return AdmittedCall(
            principal,
            shorter,
            model_prices,
            reservation,
            allowance,
            reduced_max_tokens=tokens_per_choice,
        )

    def _affordable_output_tokens(
        self, demand: Demand, max_output_tokens: int, max_cost: int | None
    ) -> int:
        """Return the output tokens that quota limits and X-Max-Cost allow a stream.

        Assumes that all other running calls release what they have reserved.
        """
        affordable = self._leaser.shortened_to_limits(
            replace(demand, output_tokens=max_output_tokens, allowance_use=())
        )
        if max_cost is not None and affordable is not None:
            affordable = affordable.shortened_to_cost(max_cost)
        reserved = demand.output_tokens
        return reserved if affordable is None else max(reserved, affordable.output_tokens)


class _MaxCostExceeded(Exception):
    """The worst-case cost of the call exceeds the client's X-Max-Cost."""

    def __init__(self, max_cost_nano: int) -> None:
        super().__init__(max_cost_nano)
        self.max_cost_nano = max_cost_nano


class StreamOutputReservation:
    """A stream's reserved output tokens, extended in steps up to the engine's `max_tokens`.

    `max_cost` is the client's X-Max-Cost in nano-units.
    """

    def __init__(
        self,
        leaser: QuotaLeaser,
        demand: Demand,
        reservation: Reservation,
        max_tokens: int,
        max_cost: int | None,
    ) -> None:
        self._leaser = leaser
        self._demand = demand
        self._reservation = reservation
        self.max_tokens = max_tokens
        self._max_cost = max_cost
        self.reserved_tokens = demand.output_tokens

    async def extend(self) -> bool:
        """Reserve the next window of output tokens. Returns False if it cannot be reserved.

        Raises MeteringUnavailable.
        """
        window = min(STREAM_RESERVATION_TOKENS, self.max_tokens - self.reserved_tokens)
        if window <= 0:
            return False
        extension = replace(
            self._demand,
            allowance_use=(),
            input_tokens=0,
            non_token_units=NO_USAGE,
            requests=0,
            streams=0,
            output_tokens=window,
            min_output_tokens=min(window, _MIN_OUTPUT_TOKENS),
        )
        # Included units cost nothing, and only the reservation shows how many are available.
        wanted = extension if extension.allowances else self._shorten_to_cost(extension)
        reserved = None if wanted is None else await self._try_extend(wanted)
        if reserved is None:
            return False
        extension, reservation = reserved
        if self._shorten_to_cost(extension) is not extension:
            self._leaser.release(reservation)
            return False
        self._reservation.merge(reservation)
        self.reserved_tokens += extension.output_tokens
        return True

    async def _try_extend(self, extension: Demand) -> tuple[Demand, Reservation] | None:
        """Reserve quota for the next output tokens. Returns None if a quota denies it."""
        try:
            return self._leaser.try_reserve(extension) or await self._leaser.reserve(extension, 0.0)
        except QuotaDenied:
            return None

    def _shorten_to_cost(self, extension: Demand) -> Demand | None:
        """Shorten the extension to stay within X-Max-Cost. Returns None if below the minimum."""
        limit = self._max_cost
        return (
            extension
            if limit is None
            else extension.shortened_to_cost(limit - self._reservation.max_cost_nano)
        )


def with_request(admitted: AdmittedCall, request: ParsedRequest) -> AdmittedCall:
    """Return the admitted call with its request replaced, keeping its reduced token limit."""
    tokens_per_choice = admitted.reduced_max_tokens
    if tokens_per_choice is not None and request.with_max_tokens is not None:
        request = replace(request, body=request.with_max_tokens(tokens_per_choice))
    return replace(admitted, request=request)


def parse_max_cost(headers: Mapping[bytes, bytes]) -> int | None:
    """Return X-Max-Cost in nano-units. Returns None if absent. Raises ParameterInvalid."""
    text = headers.get(b"x-max-cost")
    if text is None:
        return None
    try:
        return nano_from_text(text.decode("ascii").strip())
    except (ValueError, UnicodeDecodeError):
        raise ParameterInvalid(
            "X-Max-Cost must be an amount in the account's currency, for example 0.05.",
            param="X-Max-Cost",
        ) from None


def model_prices_of(principal: Principal, request: ParsedRequest) -> ModelPrices:
    """Return the prices of the call. Raises ModelNotAllowed, ModelNotPriced."""
    contract_prices = _outcome_contract_prices(principal, request)
    prices = contract_prices if request.model.id in contract_prices else principal.model_prices
    if request.model.id not in prices:
        if (
            principal.allowed_models is not None
            and request.model.id not in principal.allowed_models
        ):
            raise ModelNotAllowed(
                f"This API key is not allowed to call the model {request.model.id!r}. Use "
                "another key or extend the key's models.",
                param="model",
            )
        raise ModelNotPriced(
            f"The model {request.model.id!r} has no price in {principal.currency}. "
            "Contact the platform operator.",
            param="model",
        )
    return prices_at_tier(principal, request.service_tier, request.model.id, prices)


def _outcome_contract_prices(
    principal: Principal, request: ParsedRequest
) -> Mapping[str, ModelPrices]:
    """Return the prices under the outcome contract that the call's tag names.

    Returns no prices if the tag names no contract in force: tags are free text.
    """
    if not principal.outcome_contract_prices or request.tags is None:
        return {}
    return principal.outcome_contract_prices.get(request.tags.get(CONTRACT_TAG, ""), {})


def _prompt_tokens(call: Call, request: ParsedRequest) -> int:
    """Return an upper bound of the prompt's tokens, with the passages to be added by retrieval."""
    prompt = ENDPOINTS[call.operation].prompt if request.request_fields else None
    if prompt is None:
        decision = request.decision
        return 0 if decision is None else max_decision_tokens(request.model, decision.prompts)
    bound = max_prompt_tokens(request.model, prompt, request.request_fields, request.body)
    if bound is None:
        bound = max_prompt_tokens_by_size(len(request.body), None)
    return _with_retrieved_passages(bound, request)


def _with_retrieved_passages(tokens: int, request: ParsedRequest) -> int:
    """Add the tokens of passages that are still to be retrieved, within the context length."""
    if request.retrieval is None:
        return tokens
    total = tokens + request.retrieval.max_added_tokens
    context_length = request.model.context_length
    return total if context_length is None else min(total, context_length)


def _shorten_to_cost(demand: Demand, max_cost: int, request: ParsedRequest) -> Demand:
    """Return the demand within X-Max-Cost, with fewer output tokens if the client set no limit.

    Raises _MaxCostExceeded.
    """
    within = demand.shortened_to_cost(max_cost)
    if within is None or (
        request.output_bounds.is_client_limited and within.output_tokens < demand.output_tokens
    ):
        raise _MaxCostExceeded(demand.max_cost_nano)
    return within
