"""One call that names an asset: its answer reports the inputs, and its verdict is stored."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog

from billing.tables import Settlement
from gateway.asgi.exchange import ClientExchange
from gateway.call.values import CallResult, ParsedRequest
from gateway.plant.assets.ids import ASSET
from gateway.plant.predictions.verdicts import Verdict, store_verdict
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError


@dataclass(frozen=True)
class AssetReport:
    """The asset of a call and the inputs that were found."""

    account_id: UUID
    asset_id: UUID
    code: str
    request_id: UUID
    model: str
    at: datetime
    inputs: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Return what the response says of the asset."""
        return {
            "id": ids.format_id(ASSET, self.asset_id),
            "code": self.code,
            "at": self.at.isoformat(),
            "inputs": self.inputs,
        }


class AssetCall:
    """A call whose row of inputs was filled from readings (gateway/inference/translation.py)."""

    def __init__(self, body: bytes, report: AssetReport, database: Database, clock: Clock) -> None:
        self._body = body
        self._report = report
        self._database = database
        self._clock = clock
        self._prediction: dict[str, Any] | None = None

    @property
    def chat_body(self) -> bytes:
        """Return the body with a row."""
        return self._body

    async def defer(self, request: ParsedRequest, client: ClientExchange) -> CallResult | None:
        """Return None: the request is answered now."""
        return None

    async def before_first_byte(self, flush_intent: Callable[[], Awaitable[None]]) -> None:
        """Await the intent."""
        await flush_intent()

    def translate(self, events: bytes) -> bytes:
        """Return events unchanged: predictions are not streamed."""
        return events

    async def convert(self, result: CallResult) -> CallResult:
        """Add the report to an answer; errors are unchanged."""
        if result.status != 200:
            return result
        answer = msgspec.json.decode(result.tail)
        predictions = answer.get("predictions") or [None]
        self._prediction = predictions[0]
        answer["asset"] = self._report.to_json()
        return replace(result, tail=msgspec.json.encode(answer))

    def end(self, result: CallResult, tail: bytes) -> bytes:
        """Return the end of an answer unchanged."""
        return tail

    async def ended(self, result: CallResult) -> None:
        """Store the verdict of an answer that is billed.

        The answer is durable already: a database that fails now costs the verdict only, which is
        logged.
        """
        if result.settlement is not Settlement.COMPLETE or self._prediction is None:
            return
        report = self._report
        verdict = Verdict(
            account_id=report.account_id,
            asset_id=report.asset_id,
            request_id=report.request_id,
            model=report.model,
            at=report.at,
            created_at=self._clock.now(),
            prediction=self._prediction,
            inputs=report.inputs,
        )
        try:
            async with self._database.transaction() as session:
                await store_verdict(session, verdict)
        except AppError as error:
            structlog.get_logger().warning("a verdict was not stored", reason=error.code)
