"""Read the inputs of a model for an asset: choose its points, then compute values and series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.plant.predictions.filling import (
    SeriesShape,
    fill_inputs,
    series_fields,
    series_step_s,
    series_steps,
)
from gateway.plant.predictions.model_inputs import load_mapped, tags_of_asset
from gateway.plant.predictions.points import (
    read_candidates,
    read_newest_readings,
    read_usable_readings,
)
from gateway.plant.predictions.selection import select_inputs
from gateway.plant.predictions.values import (
    AssetRequest,
    FilledInputs,
    MappedInput,
    PointReadings,
    Selection,
)
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.storage.queries import TimeRange
from gateway.plant.readings.values import SECOND_US
from gateway.tables.plant import PlantAsset
from models.signature import InputField, Signature
from models.tag_align.naming import Lexicon


@dataclass(frozen=True)
class InputReader:
    """Reads the inputs of one model for one asset, in a transaction.

    `mapped` replaces the account's mapping of the model, to preview another one.
    """

    session: AsyncSession
    account_id: UUID
    lexicon: Lexicon
    mapped: Mapping[str, MappedInput] | None = None

    async def read(
        self, asset: PlantAsset, model: str, signature: Signature, request: AssetRequest
    ) -> FilledInputs:
        """Return the inputs of a model, and the required ones that have no value.

        Points of the asset are used; points of its parts help where it lacks some. Raises
        AssetInputsInvalid, ReadingsRangeTooLarge.
        """
        selection = await self.select(asset, model, signature, request)
        return await self.fill(selection, signature, request)

    async def fill(
        self,
        selection: Selection,
        signature: Signature,
        request: AssetRequest,
        newest: Mapping[UUID, PointReadings] | None = None,
    ) -> FilledInputs:
        """Return the inputs with their values; `newest` are those of all points if known.

        Raises ReadingsRangeTooLarge.
        """
        fields = series_fields(signature, selection)
        at_us = from_datetime(request.at)
        readings = dict(await self._read_values(selection, fields, request, at_us, newest))
        shapes: dict[str, SeriesShape] = {}
        if fields:
            point_ids = _point_ids(selection, fields)
            series, shape = await self._read_series(point_ids, fields, request, at_us)
            readings |= series
            shapes = {field.name: shape for field in fields}
        return fill_inputs(selection, readings, request, at_us, shapes)

    async def select(
        self, asset: PlantAsset, model: str, signature: Signature, request: AssetRequest
    ) -> Selection:
        """Return a point or constant for each input. Raises AssetInputsInvalid."""
        own, all_points = await read_candidates(self.session, self.account_id, asset.id)
        if self.mapped is None:
            mapped = await load_mapped(self.session, self.account_id, model, asset.code)
        else:
            mapped = tags_of_asset(self.mapped, asset.code)
        stated_elsewhere = set(request.inputs.values()) - {point.tag for point in own}
        points = all_points if stated_elsewhere else own
        selection = select_inputs(signature, points, request, self.lexicon, mapped)
        if selection.missing and len(all_points) > len(points):
            return select_inputs(signature, all_points, request, self.lexicon, mapped)
        return selection

    async def _read_values(
        self,
        selection: Selection,
        fields: Sequence[InputField],
        request: AssetRequest,
        at_us: int,
        newest: Mapping[UUID, PointReadings] | None,
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
        if newest is None:
            newest = await read_newest_readings(self.session, self.account_id, ids)
        older = [one for one in ids if one not in newest or newest[one].times[0] > at_us]
        if not older:
            return newest
        within = TimeRange(at_us - round(request.max_age_s * SECOND_US), at_us + 1)
        found = await read_usable_readings(self.session, self.account_id, older, within)
        return {**newest, **found}

    async def _read_series(
        self,
        point_ids: Sequence[UUID],
        fields: Sequence[InputField],
        request: AssetRequest,
        at_us: int,
    ) -> tuple[Mapping[UUID, PointReadings], SeriesShape]:
        """Return the readings of series, and their shape, which depends on the sampling."""
        steps, step_s = series_steps(fields, request), request.step_s
        if step_s is None:
            recent = TimeRange(at_us - round(request.max_age_s * SECOND_US), at_us + 1)
            probe = await self._usable(point_ids, recent)
            step_s = series_step_s(list(probe.values()), request) or request.max_age_s
        within = TimeRange(at_us - round(steps * step_s * SECOND_US), at_us + 1)
        return await self._usable(point_ids, within), SeriesShape(steps, step_s)

    async def _usable(
        self, point_ids: Sequence[UUID], within: TimeRange
    ) -> Mapping[UUID, PointReadings]:
        """Return the readings of good or uncertain quality in a range."""
        return await read_usable_readings(self.session, self.account_id, point_ids, within)


def _point_ids(selection: Selection, fields: Sequence[InputField]) -> list[UUID]:
    """Return the points of inputs."""
    names = {field.name for field in fields}
    return [
        one.point.id for one in selection.chosen if one.point is not None and one.field in names
    ]
