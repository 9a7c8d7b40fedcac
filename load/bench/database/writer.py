"""`python -m load.bench.database.writer`: one gateway's usage writer at full speed.

Reads an order as JSON, writes groups of calls with the product's statement until the deadline, and
prints the commit durations as JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from billing.metering.usage import UsageRecord
from billing.metering.usage_log import IntentRecord, QuotaCharge, SettledCall, write_usage_batch
from billing.rating.quantities import Quantities
from billing.tables import Settlement
from infra import ids
from infra.database.direct import DirectConnection

_COST_NANO = 1_000


def main() -> None:
    """Read an order from standard input, write, and print the commit durations."""
    order = json.load(sys.stdin)
    sys.stdout.write(json.dumps(asyncio.run(_write_until_deadline(order))) + "\n")


async def _write_until_deadline(order: Mapping[str, Any]) -> dict[str, Any]:
    """Write groups: each commit opens the next group's calls and settles the last one's."""
    connection = DirectConnection(order["url"], timeout_s=60)
    process, commit_times, open_group = UUID(order["process"]), list[float](), list[IntentRecord]()
    deadline = time.perf_counter() + order["seconds"]
    while (began := time.perf_counter()) < deadline:
        next_group = [_intent(order) for _ in range(order["group"])]
        is_alive = await write_usage_batch(
            connection, process, next_group, [_settled(one, order) for one in open_group]
        )
        if not is_alive:
            raise RuntimeError("the process was declared dead")
        commit_times.append(time.perf_counter() - began)
        open_group = next_group
    await connection.close()
    return {"took": commit_times[1:]}


def _intent(order: Mapping[str, Any]) -> IntentRecord:
    payer = UUID(order["account"]), UUID(order["key"])
    now = datetime.now(UTC)
    return IntentRecord(ids.new_id(), *payer, "chat", order["model"], True, _COST_NANO, "CNY", now)


def _settled(intent: IntentRecord, order: Mapping[str, Any]) -> SettledCall:
    record = UsageRecord(
        request_id=intent.request_id,
        account_id=intent.account_id,
        key_id=intent.key_id,
        operation=intent.operation,
        model=intent.model,
        streamed=True,
        settlement=Settlement.COMPLETE,
        status=200,
        error_code=None,
        quantities=Quantities(input_tokens=800, output_tokens=200),
        cost_nano=_COST_NANO,
        currency=intent.currency,
        started_at=intent.started_at,
        duration_us=2_000_000,
        first_chunk_us=150_000,
    )
    return SettledCall(record, (QuotaCharge(order["quota"], _COST_NANO),), has_intent=True)


if __name__ == "__main__":
    main()
