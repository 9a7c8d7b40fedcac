"""Request limits of what is no model call: replayed answers and documents.

Owns counting one request against the limits of requests a minute of an account or a key, and what a
caller is told who has reached one.
"""

from collections.abc import Iterable

from billing.metering.quotas import QuotaRef
from billing.tables import QuotaKind
from gateway.call.errors import NO_RETRY, RateLimited
from gateway.quota.demand import Demand
from gateway.quota.leaser import Lender, Refused, Short


class RequestLimits:
    """Of one gateway process."""

    def __init__(self, lender: Lender) -> None:
        self._lender = lender

    async def count(self, quotas: Iterable[QuotaRef]) -> None:
        """Count one request against those of them that limit requests.

        Raises RateLimited, MeteringUnavailable.
        """
        demand = _one_request(quotas)
        if not demand.quotas:
            return
        try:
            _, hold = self._lender.try_hold(demand) or await self._lender.hold(demand, 0.0)
        except Refused as refused:
            raise _rate_limited(refused.short) from None
        self._lender.give_back(hold)  # a request stays counted for its minute


def _one_request(quotas: Iterable[QuotaRef]) -> Demand:
    return Demand(
        input_tokens=0,
        output_tokens=0,
        floor=0,
        streams=0,
        requests=1,
        prices={},
        quotas=[quota for quota in quotas if quota.kind is QuotaKind.REQUESTS],
    )


def _rate_limited(short: Short) -> RateLimited:
    whose = "this key" if short.quota.of_key else "this account"
    limit = f"The limit of {short.standing.amount} requests a minute for {whose} is reached."
    if short.for_good:
        return RateLimited(limit, headers=NO_RETRY)
    seconds = max(1, round(short.retry_after_s + 0.5))
    return RateLimited(f"{limit} Try again shortly.", headers={"retry-after": str(seconds)})
