"""The API errors for calls that a quota or the client's X-Max-Cost rejects."""

from billing.metering.budget_periods import BudgetPeriod, BudgetQuotaRef
from billing.money import nano_text
from billing.tables import QuotaKind
from gateway.call.errors import (
    NO_RETRY_HEADERS,
    BudgetExhausted,
    CallTooLarge,
    CreditExhausted,
    CreditReserved,
    MaxCostExceeded,
    RateLimited,
    TooManyStreams,
)
from gateway.call.values import Principal
from gateway.quota.demand import Demand
from gateway.quota.leaser import QuotaShortage
from infra.errors import AppError


def max_cost_error(cost: int, max_cost: int, principal: Principal) -> AppError:
    """Return the error for a worst-case cost above X-Max-Cost, both in nano-units."""
    return MaxCostExceeded(
        f"The call can cost up to {nano_text(cost)} {principal.currency}, more than "
        f"X-Max-Cost allows ({nano_text(max_cost)}). Lower max_tokens or raise X-Max-Cost.",
        param="X-Max-Cost",
    )


def quota_error(shortage: QuotaShortage, principal: Principal, demand: Demand) -> AppError:
    """Return the API error for a quota that does not cover the minimum of the demand."""
    retry = {"retry-after": str(max(1, round(shortage.retry_after_s + 0.5)))}
    match shortage.quota.kind:
        case QuotaKind.CREDIT | QuotaKind.BUDGET:
            return _money_error(shortage, principal, demand, retry)
        case QuotaKind.STREAMS if shortage.is_permanent:
            return TooManyStreams(
                "This account or key is not allowed to run streams.", headers=NO_RETRY_HEADERS
            )
        case QuotaKind.STREAMS:
            return TooManyStreams(
                f"At most {shortage.snapshot.amount} streams can run at the same time. Wait "
                "until one ends.",
                headers=retry,
            )
        case _ if shortage.is_permanent:
            return CallTooLarge(
                f"The call alone exceeds the limit of {_format_limit(shortage)}. Shorten the "
                "prompt or lower max_tokens.",
                headers=NO_RETRY_HEADERS,
            )
        case _:
            return RateLimited(
                f"The limit of {_format_limit(shortage)} was reached. Try again shortly.",
                headers=retry,
            )


def _money_error(
    shortage: QuotaShortage, principal: Principal, demand: Demand, retry: dict[str, str]
) -> AppError:
    """Return the error for insufficient credit or budget."""
    left = max(0, (shortage.snapshot.amount or 0) - shortage.snapshot.consumed)
    beyond = " beyond the included units" if demand.allowances else ""
    figures = (
        f"the call needs at least {nano_text(shortage.needed_units)} "
        f"{principal.currency}{beyond}; {nano_text(left)} is available"
    )
    if not shortage.is_permanent:
        return CreditReserved(
            f"Running calls reserve the available balance: {figures}. Try again when they "
            "have ended.",
            headers=retry,
        )
    if isinstance(shortage.quota, BudgetQuotaRef):
        return _budget_error(shortage.quota, figures)
    return CreditExhausted(
        f"The account's available balance is too low: {figures}.", headers=NO_RETRY_HEADERS
    )


def _budget_error(budget: BudgetQuotaRef, figures: str) -> BudgetExhausted:
    """Return the error for a budget of a project or key, with the time when it resets."""
    name = {
        BudgetPeriod.DAY: "daily",
        BudgetPeriod.MONTH: "monthly",
        BudgetPeriod.TOTAL: "total",
    }[budget.period]
    end = budget.resets_at
    reset = "It does not reset." if end is None else f"It resets at {end:%Y-%m-%dT%H:%M:%SZ}."
    owner = "key" if budget.is_key_quota else "project"
    return BudgetExhausted(
        f"The {name} budget of the {owner} {budget.owner_name!r} is used up: {figures}. {reset}",
        param=f"budget.{name}",
        headers=NO_RETRY_HEADERS,
    )


def _format_limit(shortage: QuotaShortage) -> str:
    """Return the limit in words, such as `60 requests a minute for this key`."""
    unit = "tokens" if shortage.quota.kind is QuotaKind.TOKENS else "requests"
    owner = "for this key" if shortage.quota.is_key_quota else "for this account"
    return f"{shortage.snapshot.amount} {unit} per minute {owner}"
