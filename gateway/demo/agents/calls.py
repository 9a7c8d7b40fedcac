"""Calls of the demo's agents: the mechanism is computed here, and its usage recorded as billed."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.asgi.memory_exchange import StreamListener
from gateway.call.values import HeldMoney, Operation, ServiceTier, SignedInCaller
from gateway.demo.call_recorder import CallRecorder
from gateway.demo.calls import CallOutcome, PlannedCall
from gateway.demo.context import DemoAccount, DemoDependencies
from gateway.demo.firms import OFFICE, SIX_DAYS, CallType
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.pipeline_client import PipelineClient, PipelineResponse
from gateway.plant.predictions.body import AssetPredictionRequest
from gateway.plant.predictions.filling import fill_inputs
from gateway.plant.predictions.points import read_candidates, read_usable_readings
from gateway.plant.predictions.selection import select_inputs
from gateway.plant.predictions.values import AssetRequest, FilledInput
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.storage.queries import TimeRange
from gateway.plant.readings.values import DAY_US
from gateway.plant.store.queries import find_asset
from infra import ids
from models.catalog import Task
from models.mechanisms.pump import PumpEfficiency
from models.ready_made.proposal import read_lexicon

_SUCCESS = CallOutcome(Settlement.COMPLETE, 200, None, 1)


class ComputedCalls(PipelineClient):
    """Answers predictions by asset without an engine, and records them as calls of the firm."""

    def __init__(
        self, deps: DemoDependencies, recorder: CallRecorder, account: DemoAccount
    ) -> None:
        self._deps = deps
        self._recorder = recorder
        self._account = account

    async def post(
        self,
        endpoint: Endpoint,
        caller: SignedInCaller,
        headers: Mapping[bytes, bytes],
        body: bytes,
        held_money: HeldMoney | None = None,
        service_tier: ServiceTier | None = None,
        credentials: str | None = None,
        listener: StreamListener | None = None,
    ) -> PipelineResponse:
        """Return the pump's efficiency for the body of `/v1/predictions` with an asset."""
        asked = msgspec.json.decode(body, type=AssetPredictionRequest)
        request = asked.asset_options.to_request(str(asked.asset), self._deps.clock.now())
        prediction = _prediction(await self._filled(request))
        call = self._planned(asked.model, headers)
        await self._recorder.record(self._account.account_id, self._account.key_ids, [call])
        request_id = ids.format_id(REQUEST_ID_PREFIX, call.request_id or ids.new_id())
        answer = {"id": request_id, "predictions": [prediction]}
        return PipelineResponse(200, {}, msgspec.json.encode(answer))

    async def _filled(self, request: AssetRequest) -> list[FilledInput]:
        """Return the inputs of the mechanism from the asset's newest readings."""
        account_id, at_us = self._account.account_id, from_datetime(request.at)
        within = TimeRange(at_us - DAY_US, at_us + 1)
        async with self._deps.database.transaction() as session:
            asset = await find_asset(session, account_id, request.asset)
            _, points = await read_candidates(session, account_id, asset.id)
            found = [one.id for one in points]
            readings = await read_usable_readings(session, account_id, found, within)
        selection = select_inputs(PumpEfficiency().signature, points, request, read_lexicon())
        return list(fill_inputs(selection, readings, request, at_us, {}).inputs)

    def _planned(self, model: str, headers: Mapping[bytes, bytes]) -> PlannedCall:
        """Return the call, made now by the firm's first key, with the tag of the agent."""
        kind = CallType(
            key=self._account.firm.keys[0].name,
            operation=Operation.PREDICTIONS,
            task=Task.CALCULATION,
            calls_per_day=1,
            units_per_call={},
            duration_ms=(1, 1),
            hour_weights=OFFICE,
            weekday_percent=SIX_DAYS,
        )
        name, _, value = headers[b"x-maas-tags"].decode().partition("=")
        return PlannedCall(
            call_type=kind,
            model=model,
            at=self._deps.clock.now(),
            quantities=Quantities(rows=1),
            outcome=_SUCCESS,
            tags={name: value},
            duration_us=4_000,
            first_chunk_us=None,
            request_id=ids.new_id(),
        )


def _prediction(inputs: list[FilledInput]) -> dict[str, Any]:
    """Return the outputs of the mechanism."""
    columns = {one.chosen.field: np.array([one.value], np.float64) for one in inputs}
    return {name: float(values[0]) for name, values in PumpEfficiency().evaluate(columns).items()}
