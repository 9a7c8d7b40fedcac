"""Pages hosted by the payment provider (collector), for the API and the dashboard."""

from collections.abc import Awaitable, Callable

from billing.collection.collector import Collector
from billing.outbox import PermanentFailure, RetryLater
from gateway.call.errors import CollectorNotConfigured, CollectorUnavailable


async def get_hosted_page_url(
    collector: Collector | None, create_page: Callable[[Collector], Awaitable[str]]
) -> str:
    """Let `create_page` create a page at the payment provider, and return its URL.

    Raises CollectorNotConfigured without a collector, CollectorUnavailable if it does not respond.
    """
    if collector is None:
        raise CollectorNotConfigured(
            "Online payment is not available here. Pay invoices by bank transfer."
        )
    try:
        return await create_page(collector)
    except (RetryLater, PermanentFailure) as error:
        raise CollectorUnavailable(
            f"{collector.info.label} does not respond. Try again in a few seconds."
        ) from error
