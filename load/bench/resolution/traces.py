"""A trace over 10,000 events in PostgreSQL, without HTTP."""

import time
from datetime import UTC, datetime, timedelta

from billing.accounts.account_creation import AccountLimits, open_account
from gateway.plant.epcis.capture import parse_events, store_events
from gateway.plant.epcis.trace import Direction
from gateway.plant.epcis.trace_query import trace_item
from infra.clock import SystemClock
from infra.database.database import Database

_LIMITS = AccountLimits(credit_nano=0, requests=0, tokens=0, streams=0)
_START = datetime(2026, 1, 1, tzinfo=UTC)


async def measure_trace(url: str, events: int, width: int) -> tuple[float, float, int]:
    """Return seconds to capture the events and to trace the last item, and the items found.

    The events form a chain of stages; in each, `width` parts are made of all parts before it.
    """
    database, clock = Database(url, pool_size=1), SystemClock()
    try:
        async with database.transaction() as session:
            account = await open_account(session, clock, f"Trace {width}", "CNY", _LIMITS)
        started = time.perf_counter()
        raw = [_event(number, width) for number in range(events)]
        parsed, errors = parse_events(raw, (), clock.now())
        if errors:
            raise RuntimeError(errors[0])
        async with database.transaction() as session:
            await store_events(session, clock, account.id, parsed)
        captured_s = time.perf_counter() - started
        started = time.perf_counter()
        async with database.transaction() as session:
            last = f"urn:x:bench:{events // width}.0"
            found = await trace_item(session, account.id, last, Direction.UPSTREAM)
        return captured_s, time.perf_counter() - started, len(found.items)
    finally:
        await database.close()


def _event(number: int, width: int) -> dict[str, object]:
    """Return the event that makes part `number % width` of a stage out of the stage before."""
    stage, part = divmod(number, width)
    moment = _START + timedelta(minutes=number)
    return {
        "type": "TransformationEvent",
        "eventTime": moment.isoformat(),
        "eventTimeZoneOffset": "+08:00",
        "inputEPCList": [f"urn:x:bench:{stage}.{one}" for one in (part, (part + 1) % width)],
        "outputEPCList": [f"urn:x:bench:{stage + 1}.{part}"],
    }
