"""A verdict on the worn machine: the run rules of a control chart on its spindle's vibration."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np

from gateway.call.asset_inputs import AssetVerdict
from gateway.demo.context import DemoDependencies
from gateway.demo.plant.model import VIBRATION, WORN_MACHINE
from gateway.plant.predictions.body import input_json
from gateway.plant.predictions.filling import SeriesShape, fill_inputs
from gateway.plant.predictions.points import read_candidates, read_usable_readings
from gateway.plant.predictions.selection import select_inputs
from gateway.plant.predictions.values import AssetRequest, FilledInput, PointReadings
from gateway.plant.predictions.verdicts import store_verdict
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.storage.queries import TimeRange
from gateway.plant.readings.values import SECOND_US
from gateway.plant.store.queries import find_asset
from models.findings import read_finding
from models.findings.summary import summarize
from models.mechanisms.control_chart import ControlChart
from models.ready_made.proposal import read_lexicon

_STEPS = 60
# The share of the series, from its start, that the control limits are computed of.
_REFERENCE_SHARE = 0.25


async def store_worn_verdict(
    deps: DemoDependencies, account_id: UUID, request_id: UUID, model: str, step_s: int
) -> None:
    """Compute and store the verdict that the call of a request id returned."""
    tag = f"{WORN_MACHINE}.{VIBRATION}"
    at_us = from_datetime(deps.dates.now)
    within = TimeRange(at_us - _STEPS * step_s * SECOND_US, at_us + 1)
    async with deps.database.transaction() as session:
        asset = await find_asset(session, account_id, WORN_MACHINE)
        _, points = await read_candidates(session, account_id, asset.id)
        point = next(one for one in points if one.tag == tag)
        readings = await read_usable_readings(session, account_id, [point.id], within)
        limits = _control_limits(readings[point.id])
        request = AssetRequest(WORN_MACHINE, deps.dates.now, {"points": tag}, limits, 3_600.0)
        chart = ControlChart()
        selection = select_inputs(chart.signature, points, request, read_lexicon())
        shapes = {"points": SeriesShape(_STEPS, step_s)}
        filled = fill_inputs(selection, readings, request, at_us, shapes)
        prediction = _prediction(chart, filled.inputs)
        verdict = AssetVerdict(
            account_id=account_id,
            asset_id=asset.id,
            request_id=request_id,
            model=model,
            version=chart.signature.version,
            at=deps.dates.now,
            prediction=prediction,
            inputs=tuple(input_json(one) for one in filled.inputs),
            finding=_finding(chart, filled.inputs, prediction),
        )
        await store_verdict(session, verdict, deps.clock.now())


def _control_limits(readings: PointReadings) -> dict[str, float | str | bool]:
    """Return centre line and standard deviation of the first readings."""
    reference = readings.values[: max(2, round(len(readings.values) * _REFERENCE_SHARE))]
    return {
        "centre": round(float(np.mean(reference)), 4),
        "deviation": round(float(np.std(reference)), 4),
    }


def _finding(
    chart: ControlChart, filled: Sequence[FilledInput], prediction: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return what a prediction says in one line."""
    signature = chart.signature
    values = {one.chosen.field: one.value for one in filled}
    return summarize(read_finding(signature.inputs, signature.outputs, values, prediction))


def _prediction(chart: ControlChart, filled: Sequence[FilledInput]) -> dict[str, object]:
    """Return the outputs of the control chart for the filled inputs."""
    columns = {one.chosen.field: np.array([one.value], np.float64) for one in filled}
    outputs = chart.evaluate(columns)
    return {name: values[0].tolist() for name, values in outputs.items()}
