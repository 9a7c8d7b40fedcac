"""Counts requests that are not model calls (replays, documents) against request limits."""

from collections.abc import Iterable

from billing.metering.quotas import QuotaRef
from billing.tables import QuotaKind
from gateway.call.errors import NO_RETRY_HEADERS, RateLimited
from gateway.quota.demand import Demand
from gateway.quota.leaser import QuotaDenied, QuotaLeaser, QuotaShortage


class RequestLimits:
    """The limits of requests per minute, for requests that are not model calls."""

    def __init__(self, leaser: QuotaLeaser) -> None:
        self._leaser = leaser

    async def count_request(self, quotas: Iterable[QuotaRef]) -> None:
        """Count one request against the request limits among these quotas.

        Raises RateLimited, MeteringUnavailable.
        """
        demand = _single_request_demand(quotas)
        if not demand.quotas:
            return
        try:
            _, reservation = self._leaser.try_reserve(demand) or await self._leaser.reserve(
                demand, 0.0
            )
        except QuotaDenied as denied:
            raise _rate_limit_error(denied.shortage) from None
        self._leaser.release(reservation)  # the request still counts for a minute


def _single_request_demand(quotas: Iterable[QuotaRef]) -> Demand:
    """Return a demand of one request of each request quota."""
    return Demand(
        input_tokens=0,
        output_tokens=0,
        min_output_tokens=0,
        streams=0,
        requests=1,
        prices={},
        quotas=[quota for quota in quotas if quota.kind is QuotaKind.REQUESTS],
    )


def _rate_limit_error(shortage: QuotaShortage) -> RateLimited:
    """Return the error for a reached limit of requests per minute."""
    owner = "this key" if shortage.quota.is_key_quota else "this account"
    limit = f"The limit of {shortage.snapshot.amount} requests per minute for {owner} was reached."
    if shortage.is_permanent:
        return RateLimited(limit, headers=NO_RETRY_HEADERS)
    seconds = max(1, round(shortage.retry_after_s + 0.5))
    return RateLimited(f"{limit} Try again shortly.", headers={"retry-after": str(seconds)})
