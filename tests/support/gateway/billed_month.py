"""A billed month and a later call."""

from tests.support.billing.making import bill_all_usage, count_all_usage
from tests.support.builders import Gateway
from tests.support.clocks import ShiftedClock


async def bill_a_month(gateway: Gateway, clock: ShiftedClock) -> None:
    """Make three calls in the last month, bill them, and make one call in this month."""
    gateway.http.headers["x-maas-tags"] = "order=A-17"
    clock.to_middle_of_month()
    for number in range(3):
        await gateway.chat(" ".join(["w"] * (number + 1)))
    clock.to_next_month()
    await bill_all_usage(gateway.parts.database, clock)
    await gateway.chat("a new month")
    await count_all_usage(gateway.parts.database, clock)
