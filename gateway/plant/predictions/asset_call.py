"""One call that names an asset: its answer reports the inputs, and its verdict is stored."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from billing.tables import Settlement
from gateway.asgi.exchange import ClientExchange
from gateway.call.asset_inputs import AssetVerdict
from gateway.call.values import CallResult, ParsedRequest
from gateway.plant.assets.ids import ASSET
from gateway.plant.predictions.decision_body import predictions_of
from infra import ids
from models.findings import read_finding
from models.findings.summary import summarize
from models.signature import Signature

StoreVerdicts = Callable[[Sequence[AssetVerdict]], Awaitable[None]]


@dataclass(frozen=True)
class AssetReport:
    """The asset of a call and the inputs that were found; `values` are in the model's units."""

    account_id: UUID
    asset_id: UUID
    code: str
    request_id: UUID
    model: str
    version: str
    at: datetime
    inputs: tuple[Mapping[str, Any], ...]
    signature: Signature
    values: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return what the response says of the asset."""
        return {
            "id": ids.format_id(ASSET, self.asset_id),
            "code": self.code,
            "at": self.at.isoformat(),
            "inputs": self.inputs,
        }

    def summarize(self, prediction: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a prediction says in one line; empty for a model that declares no outputs."""
        signature = self.signature
        if not signature.outputs:
            return {}
        finding = read_finding(signature.inputs, signature.outputs, self.values, prediction)
        return summarize(finding)


class AssetCall:
    """A call whose body was filled from readings (gateway/inference/translation.py)."""

    def __init__(self, body: bytes, report: AssetReport, store: StoreVerdicts) -> None:
        self._body = body
        self._report = report
        self._store = store
        self._prediction: Mapping[str, Any] | None = None

    @property
    def chat_body(self) -> bytes:
        """Return the body with a row, or with the readings as a JSON object."""
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
        predictions = answer.get("predictions") or predictions_of(answer)
        self._prediction = next(iter(predictions), None)
        answer["asset"] = self._report.to_json()
        return replace(result, tail=msgspec.json.encode(answer))

    def end(self, result: CallResult, tail: bytes) -> bytes:
        """Return the end of an answer unchanged."""
        return tail

    async def ended(self, result: CallResult) -> None:
        """Store the verdict of an answer that is billed."""
        if result.settlement is not Settlement.COMPLETE or self._prediction is None:
            return
        report = self._report
        verdict = AssetVerdict(
            account_id=report.account_id,
            asset_id=report.asset_id,
            request_id=report.request_id,
            model=report.model,
            version=report.version,
            at=report.at,
            prediction=self._prediction,
            inputs=report.inputs,
            finding=report.summarize(self._prediction),
        )
        await self._store([verdict])
