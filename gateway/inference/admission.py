"""Admission: may this account have this call, at what price, and how much of it.

The one choke point that every call passes. The worst case is priced by the same function as the
bill and held against all that limits it; where not all of it can be had, an answer is made
shorter before a call is refused.
"""

from collections.abc import Mapping
from dataclasses import replace

from billing.metering.quotas import QuotaRef
from billing.money import nano_from_text, nano_text
from billing.outcomes.contracts.attribution import CONTRACT_TAG
from billing.rating.quantities import NOTHING
from billing.tables import QuotaKind
from gateway.call.errors import (
    NO_RETRY,
    BudgetExhausted,
    CallTooLarge,
    CreditExhausted,
    CreditReserved,
    MaxCostExceeded,
    ModelNotAllowed,
    ModelNotPriced,
    ParameterInvalid,
    RateLimited,
    TooManyStreams,
)
from gateway.call.reservation import Hold
from gateway.call.values import Ask, Call, Priced, Principal, Ticket
from gateway.inference.service_tier import price_at_tier
from gateway.inference.token_count import PromptCounter, prompt_bound, worst_prompt
from gateway.quota.demand import Demand
from gateway.quota.leaser import Lender, Refused, Short
from infra.errors import AppError

# A stream whose client set no limit is held for so many tokens a choice, and for more as it goes.
STREAM_WINDOW = 1024
# An answer is not made shorter than that: what it says would not be worth its prompt.
_FLOOR = 16


class Admission:
    """Admits calls for one gateway process."""

    def __init__(self, lender: Lender, counter: PromptCounter, credit_wait_s: float) -> None:
        self._lender = lender
        self._counter = counter
        self._credit_wait_s = credit_wait_s

    def demand(self, call: Call, principal: Principal, ask: Ask) -> Demand:
        """The most that the call can consume; its prompt bounded by the body's size.

        Raises ModelNotPriced where the account's currency has no price.
        """
        priced = _priced(principal, ask)
        extent = ask.extent
        each = extent.output_each
        if ask.stream and not extent.limited:
            each = min(each, STREAM_WINDOW)
        return Demand(
            input_tokens=_prompt_tokens(call, ask),
            output_tokens=each * extent.choices,
            floor=min(each, _FLOOR) * extent.choices,
            streams=1 if ask.stream else 0,
            requests=1,
            prices=priced.prices,
            quotas=principal.quotas,
            whole=extent.whole,
            included=priced.included,
        )

    def admit_at_once(self, call: Call, principal: Principal, ask: Ask) -> Ticket | None:
        """The usual way: there is headroom, and nothing to wait for. None where there is not.

        Raises ModelNotPriced, MeteringUnavailable.
        """
        if b"x-max-cost" in call.headers:
            return None
        held = self._lender.try_hold(self.demand(call, principal, ask))
        if held is None:
            return None
        ticket = self._ticket(principal, ask, *held)
        if ticket.shortened_to is None:
            return ticket
        # Near a limit the prompt is counted first: its cost decides how long the answer can be.
        self._lender.give_back(ticket.hold)
        return None

    async def admit_inner(self, call: Call, principal: Principal, ask: Ask) -> Ticket:
        """Admit a call that is made for another one: it is no request of its own.

        Raises what a call can be refused for.
        """
        demand = replace(self.demand(call, principal, ask), requests=0)
        return await self._admit(call, principal, ask, demand, None)

    async def admit(self, call: Call, principal: Principal, ask: Ask, inner: int = 0) -> Ticket:
        """The careful way: counts the prompt where that decides, waits, shortens the answer.
        `inner` nano-units are held for its inner calls already: X-Max-Cost limits both together.

        Raises what a call can be refused for.
        """
        most = max_cost(call.headers)
        rest = None if most is None else most - inner
        return await self._admit(call, principal, ask, self.demand(call, principal, ask), rest)

    async def _admit(
        self, call: Call, principal: Principal, ask: Ask, demand: Demand, most: int | None
    ) -> Ticket:
        if ask.stream and not ask.extent.limited:
            # What the engine is told to generate at most follows from the prompt's cost.
            demand = await self.counted(call, ask, demand)
        try:
            fitted, hold = await self._hold(demand, most, ask, 0.0)
        except (Refused, _TooDear):
            pass
        else:
            if fitted.output_tokens == demand.output_tokens:
                return self._ticket(principal, ask, fitted, hold, most)
            self._lender.give_back(hold)
        demand = await self.counted(call, ask, demand)
        try:
            fitted, hold = await self._hold(demand, most, ask, self._credit_wait_s)
        except _TooDear as dear:
            raise _too_dear(dear.cost, most or 0, principal) from None
        except Refused as refused:
            raise _refusal(refused.short, principal, demand) from None
        return self._ticket(principal, ask, fitted, hold, most)

    def release(self, ticket: Ticket) -> None:
        """Give back what an admitted call holds whose model could not be reached."""
        self._lender.give_back(ticket.hold)

    async def _hold(
        self, demand: Demand, most: int | None, ask: Ask, patience_s: float
    ) -> tuple[Demand, Hold]:
        """Hold within the client's own limit. Raises Refused, _TooDear."""
        if most is None:
            return await self._lender.hold(demand, patience_s)
        # What is included costs nothing, and how much that is shows when it is held.
        wanted = demand if demand.included else _within_cost(demand, most, ask)
        held, hold = await self._lender.hold(wanted, patience_s)
        try:
            return _within_cost(held, most, ask), hold
        except _TooDear:
            self._lender.give_back(hold)
            raise

    async def counted(self, call: Call, ask: Ask, demand: Demand) -> Demand:
        """The same demand with the prompt's tokens counted, where the tokenizer is here."""
        count = await self._counter.count(ask.model, call.operation, ask.prompt)
        if count is None:
            return demand
        return replace(demand, input_tokens=min(_with_passages(count, ask), demand.input_tokens))

    def _ticket(
        self,
        principal: Principal,
        ask: Ask,
        demand: Demand,
        hold: Hold,
        most: int | None = None,
    ) -> Ticket:
        priced, choices = _priced(principal, ask), ask.extent.choices
        whole = ask.extent.output_each * choices
        if demand.output_tokens >= whole or ask.shortened is None:
            return Ticket(principal, ask, priced, hold)
        affordable = self._affordable(demand, whole, most) if ask.stream else demand.output_tokens
        each = max(1, affordable // choices)
        allowance: StreamAllowance | None = None
        if ask.stream:
            allowance = StreamAllowance(self._lender, demand, hold, each * choices, most)
        if each * choices >= whole:
            return Ticket(principal, ask, priced, hold, allowance)
        shorter = replace(ask, body=ask.shortened(each))
        return Ticket(principal, shorter, priced, hold, allowance, shortened_to=each)

    def _affordable(self, demand: Demand, whole: int, most: int | None) -> int:
        """The output tokens that a stream can have at most: what its limits leave, were all other
        calls to give back what they hold, and what the client lets it cost."""
        wished = self._lender.within_limits(replace(demand, output_tokens=whole, cover=()))
        within = wished if most is None or wished is None else wished.costing(most)
        held = demand.output_tokens
        return held if within is None else max(held, within.output_tokens)


class _TooDear(Exception):
    """The call can cost more than the client allows."""

    def __init__(self, cost: int) -> None:
        super().__init__(cost)
        self.cost = cost


class StreamAllowance:
    """What is held of a stream that can become longer than that, up to `most` tokens, which its
    engine was told. All of it costs `most_cost` at most, if the client said so."""

    def __init__(
        self, lender: Lender, demand: Demand, hold: Hold, most: int, most_cost: int | None
    ) -> None:
        self._lender = lender
        self._demand = demand
        self._hold = hold
        self.most = most
        self._most_cost = most_cost
        self.covered = demand.output_tokens

    async def extend(self) -> bool:
        """Hold for more output tokens. Raises MeteringUnavailable."""
        window = min(STREAM_WINDOW, self.most - self.covered)
        if window <= 0:
            return False
        more = replace(
            self._demand,
            cover=(),
            input_tokens=0,
            whole=NOTHING,
            requests=0,
            streams=0,
            output_tokens=window,
            floor=min(window, _FLOOR),
        )
        # What is included costs nothing, and how much that is shows when it is held.
        wanted = more if more.included else self._within_cost(more)
        held = None if wanted is None else await self._held(wanted)
        if held is None:
            return False
        more, hold = held
        if self._within_cost(more) is not more:
            self._lender.give_back(hold)
            return False
        self._hold.add(hold)
        self.covered += more.output_tokens
        return True

    async def _held(self, more: Demand) -> tuple[Demand, Hold] | None:
        try:
            return self._lender.try_hold(more) or await self._lender.hold(more, 0.0)
        except Refused:
            return None

    def _within_cost(self, more: Demand) -> Demand | None:
        """As much of it as the client's own limit leaves; None where that is not worth having."""
        limit = self._most_cost
        return more if limit is None else more.costing(limit - self._hold.money)


def with_ask(ticket: Ticket, ask: Ask) -> Ticket:
    """The same admission for the request with what was found for it."""
    each = ticket.shortened_to
    if each is not None and ask.shortened is not None:
        ask = replace(ask, body=ask.shortened(each))
    return replace(ticket, ask=ask)


def max_cost(headers: Mapping[bytes, bytes]) -> int | None:
    """What the client allows the call to cost, in nano-units. Raises ParameterInvalid."""
    text = headers.get(b"x-max-cost")
    if text is None:
        return None
    try:
        return nano_from_text(text.decode("ascii").strip())
    except (ValueError, UnicodeDecodeError):
        raise ParameterInvalid(
            "X-Max-Cost is an amount in the account's currency, as 0.05.", param="X-Max-Cost"
        ) from None


def _priced(principal: Principal, ask: Ask) -> Priced:
    covering = _covering(principal, ask)
    prices = covering if ask.model.id in covering else principal.contract
    if ask.model.id not in prices:
        if principal.models is not None and ask.model.id not in principal.models:
            raise ModelNotAllowed(
                f"This API key may not call the model {ask.model.id!r}.", param="model"
            )
        raise ModelNotPriced(
            f"The model {ask.model.id!r} has no price in {principal.currency}.", param="model"
        )
    return price_at_tier(principal, ask.tier, ask.model.id, prices)


def _covering(principal: Principal, ask: Ask) -> Mapping[str, Priced]:
    """The terms of the outcome contract that the call says it is for, if they know its model.

    Tags are free text: what names no contract in force is none of them.
    """
    if not principal.coverings or ask.tags is None:
        return {}
    return principal.coverings.get(ask.tags.get(CONTRACT_TAG, ""), {})


def _prompt_tokens(call: Call, ask: Ask) -> int:
    if not ask.prompt:
        return 0
    bound = worst_prompt(ask.model, call.operation, ask.prompt, ask.body)
    return _with_passages(prompt_bound(len(ask.body), None) if bound is None else bound, ask)


def _with_passages(tokens: int, ask: Ask) -> int:
    """The prompt with what is yet to be found for it."""
    if ask.searching is None:
        return tokens
    more = tokens + ask.searching.most_tokens
    return more if ask.model.context_length is None else min(more, ask.model.context_length)


def _within_cost(demand: Demand, most: int, ask: Ask) -> Demand:
    """The demand within the client's own limit; an answer that it left open is made shorter.

    Raises _TooDear.
    """
    within = demand.costing(most)
    if within is None or (ask.extent.limited and within.output_tokens < demand.output_tokens):
        raise _TooDear(demand.cost)
    return within


def _too_dear(cost: int, most: int, principal: Principal) -> AppError:
    return MaxCostExceeded(
        f"The call can cost up to {nano_text(cost)} {principal.currency}, more than "
        f"X-Max-Cost allows ({nano_text(most)}). Lower max_tokens or raise X-Max-Cost.",
        param="X-Max-Cost",
    )


def _refusal(short: Short, principal: Principal, demand: Demand) -> AppError:
    retry = {"retry-after": str(max(1, round(short.retry_after_s + 0.5)))}
    match short.quota.kind:
        case QuotaKind.CREDIT | QuotaKind.BUDGET:
            return _no_money(short, principal, demand, retry)
        case QuotaKind.STREAMS if short.for_good:
            return TooManyStreams("No streams are allowed here.", headers=NO_RETRY)
        case QuotaKind.STREAMS:
            return TooManyStreams(
                f"{short.standing.amount} streams may run at a time. Wait for one to end.",
                headers=retry,
            )
        case _ if short.for_good:
            return CallTooLarge(
                f"The call alone is more than {_limit(short.quota, short)}. Shorten the prompt or "
                "lower max_tokens.",
                headers=NO_RETRY,
            )
        case _:
            return RateLimited(
                f"The limit of {_limit(short.quota, short)} is reached. Try again shortly.",
                headers=retry,
            )


def _no_money(
    short: Short, principal: Principal, demand: Demand, retry: dict[str, str]
) -> AppError:
    left = max(0, (short.standing.amount or 0) - short.standing.spent)
    beyond = " beyond what is included" if demand.included else ""
    figures = (
        f"the call needs {nano_text(short.needs)} {principal.currency} at least{beyond}, "
        f"{nano_text(left)} is left"
    )
    if not short.for_good:
        return CreditReserved(
            f"Calls that are running hold what is left: {figures}. Try again when they have ended.",
            headers=retry,
        )
    if short.quota.kind is QuotaKind.BUDGET:
        return BudgetExhausted(f"The key's budget of this month: {figures}.", headers=NO_RETRY)
    return CreditExhausted(f"The account's credit: {figures}.", headers=NO_RETRY)


def _limit(quota: QuotaRef, short: Short) -> str:
    what = "tokens" if quota.kind is QuotaKind.TOKENS else "requests"
    whose = "for this key" if quota.of_key else "for this account"
    return f"{short.standing.amount} {what} a minute {whose}"
