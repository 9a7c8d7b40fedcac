"""Fill a firm's plant through the functions of the API: import, readings, verdict, events."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.call.values import Operation
from gateway.demo.call_recorder import CallRecorder
from gateway.demo.calls import CallOutcome, PlannedCall, first_model
from gateway.demo.context import DemoAccount, DemoDependencies
from gateway.demo.firms import OFFICE, SIX_DAYS, CallType
from gateway.demo.plant.history import CONTEXT, item_events
from gateway.demo.plant.model import MACHINES, POINT_KINDS, WORN_MACHINE, plant_model, point_tag
from gateway.demo.plant.signals import machine_series, reading_times
from gateway.demo.plant.verdict import store_worn_verdict
from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.assets.json_model import encode_model
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import PlantModel
from gateway.plant.epcis.capture import parse_events, store_events
from gateway.plant.imports.exchange_formats import PlantFile
from gateway.plant.imports.importing import ImportOptions, PlantImporter
from gateway.plant.readings.acceptance import AcceptedReadings
from gateway.plant.readings.formats.batch import PointKey
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.storage.points import find_points
from gateway.plant.readings.storage.sources import record_source
from gateway.plant.readings.storage.writing import store_readings
from gateway.plant.readings.values import SECOND_US, Series
from infra import ids
from models.catalog import READINGS, Task

_LIMITS = PlantLimits(assets=1_000, points=5_000, file_bytes=1 << 22)
_SUCCESS = CallOutcome(Settlement.COMPLETE, 200, None, 1)
_SOURCE = "一车间边缘网关"
_CLOCK_SKEW_MS = 180


@dataclass(frozen=True, slots=True)
class ReadingSpan:
    """For how many days there are readings, and how far apart they are."""

    days: int
    step_s: int


_FULL, _SHORT = ReadingSpan(21, 300), ReadingSpan(3, 3_600)
_FULL_PERCENT = 100


async def fill_plant(deps: DemoDependencies, recorder: CallRecorder, account: DemoAccount) -> None:
    """Fill the plant of a firm; its calls are made now by the simulated clock.

    Readings are few if the demo has few calls.
    """
    await import_model(deps, account, plant_model(deps.dates.now))
    span = _FULL if deps.percent >= _FULL_PERCENT else _SHORT
    count = await _store_readings(deps, account, span)
    calls = [_planned(deps, account, Operation.READINGS, READINGS, Quantities(readings=count))]
    inspected_by = chart_call = None
    if inspection := first_model(deps.catalog, Task.IMAGE_CLASSIFICATION, ""):
        one = _planned(deps, account, Operation.PREDICTIONS, inspection, Quantities(images=1))
        calls, inspected_by = [*calls, one], one.request_id
    if chart := first_model(deps.catalog, Task.CALCULATION, "control_chart"):
        one = _planned(deps, account, Operation.PREDICTIONS, chart, Quantities(rows=1))
        calls, chart_call = [*calls, one], one.request_id
    await recorder.record(account.account_id, account.key_ids, calls)
    if chart_call is not None and chart is not None:
        await store_worn_verdict(deps, account.account_id, chart_call, chart, span.step_s)
    await _capture_events(deps, account.account_id, inspected_by)


async def import_model(deps: DemoDependencies, account: DemoAccount, model: PlantModel) -> None:
    """Import a plant model as a file, previewed and confirmed."""
    importer = PlantImporter(deps.database, deps.clock, _LIMITS)
    file = PlantFile("plant.json", encode_model(model))
    row = await importer.preview(account.account_id, CLI_ACTOR, file, ImportOptions())
    import_id = ids.format_id("imp", row.id)
    await importer.confirm(account.account_id, CLI_ACTOR, import_id)


async def _store_readings(deps: DemoDependencies, account: DemoAccount, span: ReadingSpan) -> int:
    """Store the readings of all machines, one transaction each. Returns their number."""
    end_us = from_datetime(deps.dates.now - timedelta(minutes=5))
    times = reading_times(end_us, span.days, span.step_s * SECOND_US)
    count = 0
    for machine in MACHINES:
        series = machine_series(machine, times)
        keys = {PointKey(point_tag(machine, kind)): kind.tag for kind in POINT_KINDS}
        async with deps.database.transaction() as session:
            found = await find_points(session, account.account_id, list(keys))
            by_point: dict[UUID, Series] = {
                point.id: series[keys[key]] for key, point in found.items()
            }
            stored = await store_readings(
                session, account.account_id, AcceptedReadings(by_point, 0)
            )
            count += stored.stored
    async with deps.database.transaction() as session:
        await record_source(
            session, deps.clock, account.account_id, _SOURCE, _CLOCK_SKEW_MS, count, 0
        )
    return count


def _planned(
    deps: DemoDependencies,
    account: DemoAccount,
    operation: Operation,
    model: str,
    quantities: Quantities,
) -> PlannedCall:
    """Return a call of the firm's first key that is made now."""
    kind = CallType(
        key=account.firm.keys[0].name,
        operation=operation,
        task=Task.CALCULATION,
        calls_per_day=1,
        units_per_call={},
        duration_ms=(1, 1),
        hour_weights=OFFICE,
        weekday_percent=SIX_DAYS,
    )
    return PlannedCall(
        call_type=kind,
        model=model,
        at=deps.clock.now(),
        quantities=quantities,
        outcome=_SUCCESS,
        tags={"machine": WORN_MACHINE},
        duration_us=9_000,
        first_chunk_us=None,
        request_id=ids.new_id(),
    )


async def _capture_events(
    deps: DemoDependencies, account_id: UUID, inspected_by: UUID | None
) -> None:
    """Store the history of items."""
    raw = item_events(deps.dates.now, inspected_by)
    events, errors = parse_events(raw, CONTEXT, deps.dates.now)
    if errors:
        raise ValueError(f"events of the demo are invalid: {errors[0]}")
    async with deps.database.transaction() as session:
        await store_events(session, deps.clock, account_id, events)
