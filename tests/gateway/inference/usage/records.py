"""Usage records of a gateway's customer."""

import dataclasses
from datetime import UTC, datetime

from billing.metering.usage import UsageRecord
from billing.rating.quantities import Quantities
from billing.tables import Settlement
from infra import ids
from tests.support.builders import Gateway


def record(gateway: Gateway, **values: object) -> UsageRecord:
    made = UsageRecord(
        request_id=ids.new_id(),
        account_id=gateway.account.id,
        key_id=gateway.key.row.id,
        operation="chat",
        model="m",
        streamed=False,
        settlement=Settlement.COMPLETE,
        status=200,
        error_code=None,
        quantities=Quantities(input_tokens=1),
        cost_nano=500,
        currency="CNY",
        started_at=datetime.now(UTC),
        duration_us=1,
        first_chunk_us=None,
    )
    return dataclasses.replace(made, **values)  # type: ignore[arg-type]
