"""`python -m load.bench.database.writer`: one gateway's writer alone, as fast as it can.

Writes groups of calls by the product's own statement, each with what it costs taken from a lease,
for so many seconds, and says as JSON how many and how long commits took.
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
    """Read what to do, do it, say what came of it."""
    told = json.load(sys.stdin)
    sys.stdout.write(json.dumps(asyncio.run(_write(told))) + "\n")


async def _write(told: Mapping[str, Any]) -> dict[str, Any]:
    """Each commit opens the next group's calls and settles the last one's, as of a busy gateway."""
    connection = DirectConnection(told["url"], timeout_s=60)
    process, took, opened = UUID(told["process"]), list[float](), list[IntentRecord]()
    until = time.perf_counter() + told["seconds"]
    while (began := time.perf_counter()) < until:
        coming = [_intent(told) for _ in range(told["group"])]
        alive = await write_usage_batch(
            connection, process, coming, [_settled(one, told) for one in opened]
        )
        if not alive:
            raise RuntimeError("the process was taken for dead")
        took.append(time.perf_counter() - began)
        opened = coming
    await connection.close()
    return {"took": took[1:]}


def _intent(told: Mapping[str, Any]) -> IntentRecord:
    payer = UUID(told["account"]), UUID(told["key"])
    now = datetime.now(UTC)
    return IntentRecord(ids.new_id(), *payer, "chat", told["model"], True, _COST_NANO, "CNY", now)


def _settled(intent: IntentRecord, told: Mapping[str, Any]) -> SettledCall:
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
    return SettledCall(record, (QuotaCharge(told["quota"], _COST_NANO),), has_intent=True)


if __name__ == "__main__":
    main()
