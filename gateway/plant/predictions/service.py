"""Predictions by asset: from the asset in a request to a row of inputs, and a stored verdict.

find the asset -> its points -> select inputs -> read readings -> fill -> call -> verdict
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.call.errors import UpstreamUnreachable
from gateway.call.values import Call, Operation, Principal, ResolvedModel
from gateway.plant.predictions.asset_call import AssetCall, AssetReport
from gateway.plant.predictions.body import (
    body_with_row,
    input_json,
    parse_asset_request,
)
from gateway.plant.predictions.filling import (
    SeriesShape,
    fill_inputs,
    series_fields,
    series_step_s,
    series_steps,
)
from gateway.plant.predictions.points import (
    read_candidates,
    read_newest_readings,
    read_usable_readings,
)
from gateway.plant.predictions.selection import select_inputs
from gateway.plant.predictions.values import (
    AssetRequest,
    FilledInput,
    PointReadings,
    Selection,
)
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.storage.queries import TimeRange
from gateway.plant.readings.values import SECOND_US
from gateway.plant.store.queries import find_asset
from gateway.upstream.signatures import Signatures
from infra.clock import Clock
from infra.database.database import Database
from models.ready_made.proposal import read_lexicon
from models.signature import InputField, Signature
from models.tag_align.naming import Lexicon

# A request that cannot name an asset is recognised without parsing it.
_FIELD = b'"asset"'
ModelResolver = Callable[[str, Principal], ResolvedModel]


class AssetPredictions:
    """Fills the inputs of specialists from the readings of assets. One per gateway process."""

    def __init__(
        self, database: Database, signatures: Signatures, resolve: ModelResolver, clock: Clock
    ) -> None:
        self._database = database
        self._signatures = signatures
        self._resolve = resolve
        self._clock = clock

    def applies(self, call: Call, body: bytes) -> bool:
        """Whether a request may name an asset instead of rows."""
        return call.operation is Operation.PREDICTIONS and _FIELD in body

    async def open(self, call: Call, principal: Principal, body: bytes) -> AssetCall | None:
        """Return the call with a row of inputs in its body; None if it names no asset.

        Raises BodyNotJson, ParameterInvalid, PlantNodeNotFound, AssetInputsInvalid,
        AssetInputsMissing, ReadingsRangeTooLarge, UpstreamUnreachable, and as the resolver.
        """
        request = parse_asset_request(body)
        if request is None:
            return None
        signature = await self._signature(principal, request.model)
        asked = request.to_asset_request(self._clock.now())
        async with self._database.transaction() as session:
            asset = await find_asset(session, principal.account_id, asked.asset)
            filled = await self._fill(session, principal.account_id, asset.id, signature, asked)
        report = AssetReport(
            account_id=principal.account_id,
            asset_id=asset.id,
            code=asset.code,
            request_id=call.request_id,
            model=request.model,
            at=asked.at,
            inputs=[input_json(one) for one in filled],
        )
        return AssetCall(body_with_row(request, filled), report, self._database, self._clock)

    @cached_property
    def _lexicon(self) -> Lexicon:
        """Abbreviations and foreign terms of names; read once, which takes tens of milliseconds."""
        return read_lexicon()

    async def _signature(self, principal: Principal, model: str) -> Signature:
        """Return the inputs of a model. Raises as the resolver, and UpstreamUnreachable."""
        resolved = self._resolve(model, principal)
        signature = await self._signatures.find(resolved, principal.account_id)
        if signature is None:
            raise UpstreamUnreachable("The model's inputs could not be read. Try again shortly.")
        return signature

    async def _fill(
        self,
        session: AsyncSession,
        account_id: UUID,
        asset_id: UUID,
        signature: Signature,
        request: AssetRequest,
    ) -> list[FilledInput]:
        """Select points and compute the inputs; parts of the asset help where it lacks points."""
        own, all_points = await read_candidates(session, account_id, asset_id)
        stated_elsewhere = set(request.inputs.values()) - {point.tag for point in own}
        points = all_points if stated_elsewhere else own
        selection = select_inputs(signature, points, request, self._lexicon)
        if selection.missing and len(all_points) > len(points):
            selection = select_inputs(signature, all_points, request, self._lexicon)
        fields = series_fields(signature, selection)
        at_us = from_datetime(request.at)
        readings = dict(
            await self._read_values(session, account_id, selection, fields, request, at_us)
        )
        shapes: dict[str, SeriesShape] = {}
        if fields:
            series, shape = await _read_series(
                session, account_id, _point_ids(selection, fields), fields, request, at_us
            )
            readings |= series
            shapes = {field.name: shape for field in fields}
        return fill_inputs(selection, readings, request, at_us, shapes)

    async def _read_values(
        self,
        session: AsyncSession,
        account_id: UUID,
        selection: Selection,
        fields: Sequence[InputField],
        request: AssetRequest,
        at_us: int,
    ) -> Mapping[UUID, PointReadings]:
        """Return the readings for inputs of one value: the newest ones, or those before `at`."""
        series = {field.name for field in fields}
        ids = [
            one.point.id
            for one in selection.chosen
            if one.point is not None and one.field not in series
        ]
        if not ids:
            return {}
        newest = await read_newest_readings(session, account_id, ids)
        older = [one for one in ids if one not in newest or newest[one].times[0] > at_us]
        if not older:
            return newest
        within = TimeRange(at_us - round(request.max_age_s * SECOND_US), at_us + 1)
        return {**newest, **await read_usable_readings(session, account_id, older, within)}


async def _read_series(
    session: AsyncSession,
    account_id: UUID,
    point_ids: Sequence[UUID],
    fields: Sequence[InputField],
    request: AssetRequest,
    at_us: int,
) -> tuple[Mapping[UUID, PointReadings], SeriesShape]:
    """Return the readings of series, and their shape, which depends on the sampling."""
    steps, step_s = series_steps(fields, request), request.step_s
    if step_s is None:
        recent = TimeRange(at_us - round(request.max_age_s * SECOND_US), at_us + 1)
        probe = await read_usable_readings(session, account_id, point_ids, recent)
        step_s = series_step_s(list(probe.values()), request) or request.max_age_s
    shape = SeriesShape(steps, step_s)
    within = TimeRange(at_us - round(steps * step_s * SECOND_US), at_us + 1)
    return await read_usable_readings(session, account_id, point_ids, within), shape


def _point_ids(selection: Selection, fields: Sequence[InputField]) -> list[UUID]:
    """Return the points of inputs."""
    names = {field.name for field in fields}
    return [
        one.point.id for one in selection.chosen if one.point is not None and one.field in names
    ]
