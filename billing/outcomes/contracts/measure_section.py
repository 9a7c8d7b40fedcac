"""Parsing of the section [measure] of a contract file.

effect_definitions.py and nonroutine.py document the fields. The field names are the file format:
they must not change.
"""

from datetime import date, datetime
from functools import partial
from zoneinfo import ZoneInfo

import msgspec

from billing.dates import parse_instant
from billing.money import nano_from_text, ppm_from_percent
from billing.outcomes.contracts.effect_definitions import (
    BaselineGateTerms,
    BaselinePeriodTerms,
    ImprovementDirection,
    MachineGroupTerms,
    MeasuredEffect,
    MeasurementDesign,
    SwitchbackTerms,
    VariableTerms,
)
from billing.outcomes.contracts.field_rules import OutcomeTermsInvalid
from billing.outcomes.contracts.nonroutine import (
    AdjustmentTerms,
    ExclusionTerms,
    MeterReplacementTerms,
)
from billing.outcomes.measurement.plan import DailyAggregation, VariableForm
from billing.rating.toml import read_field

_asdict = msgspec.structs.asdict
_parse_field = partial(read_field, OutcomeTermsInvalid)


class _GateFields(msgspec.Struct, forbid_unknown_fields=True):
    """Default quality limits of a daily baseline, in percent (docs/measurement.md)."""

    cv_rmse: str = "25"
    nmbe: str = "10"
    missing: str = "10"
    days: int = 90


class _VariableFields(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    unit: str
    combine: DailyAggregation = DailyAggregation.SUM
    shape: VariableForm = VariableForm.LINEAR


class _BaselinePeriodFields(msgspec.Struct, forbid_unknown_fields=True):
    first: date
    until: date


class _SwitchbackFields(msgspec.Struct, forbid_unknown_fields=True):
    days: int = 7
    washout: int = 1


class _MachineGroupFields(msgspec.Struct, forbid_unknown_fields=True):
    having: list[str]
    lacking: list[str]


class _AdjustmentFields(msgspec.Struct, forbid_unknown_fields=True):
    first: date
    per_day: str
    reason: str
    until: date | None = None
    less: bool = False


class _ExclusionFields(msgspec.Struct, forbid_unknown_fields=True):
    first: date
    until: date
    reason: str


class _MeterReplacementFields(msgspec.Struct, forbid_unknown_fields=True):
    at: datetime
    old: str
    new: str
    reason: str
    factor: str = "1"
    machine: str = ""


class MeasureFields(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of [measure]; `looks` defaults to the number of settlements."""

    unit: str
    direction: ImprovementDirection
    design: MeasurementDesign = MeasurementDesign.BASELINE
    variables: list[_VariableFields] = []
    combine: DailyAggregation = DailyAggregation.SUM
    every_minutes: int = 24 * 60
    per: str | None = None
    confidence: str = "90"
    looks: int | None = None
    missing: str = "10"
    before: _BaselinePeriodFields | None = None
    turns: _SwitchbackFields | None = None
    machines: _MachineGroupFields | None = None
    adjustments: list[_AdjustmentFields] = []
    excluded: list[_ExclusionFields] = []
    swaps: list[_MeterReplacementFields] = []
    gates: _GateFields = msgspec.field(default_factory=_GateFields)


def measured_effect_from_fields(
    file: MeasureFields, zone: ZoneInfo, settlements: int
) -> MeasuredEffect:
    """Build a measured effect from the fields of [measure].

    `settlements` is the number of monthly settlements; times without an offset are in `zone`.
    Raises OutcomeTermsInvalid.
    """
    return MeasuredEffect(
        unit=file.unit,
        direction=file.direction,
        design=file.design,
        variables=tuple(VariableTerms(**_asdict(one)) for one in file.variables),
        confidence_ppm=_parse_percent("measure.confidence", file.confidence),
        missing_ppm=_parse_percent("measure.missing", file.missing),
        combine=file.combine,
        every_minutes=file.every_minutes,
        per=file.per,
        looks=settlements if file.looks is None else file.looks,
        before=None if file.before is None else BaselinePeriodTerms(**_asdict(file.before)),
        turns=None if file.turns is None else SwitchbackTerms(**_asdict(file.turns)),
        machines=None if file.machines is None else _machine_groups(file.machines),
        adjustments=tuple(_adjustment(one) for one in file.adjustments),
        excluded=tuple(ExclusionTerms(**_asdict(one)) for one in file.excluded),
        swaps=tuple(_meter_replacement(one, zone) for one in file.swaps),
        gates=_gates(file.gates),
    )


def _gates(file: _GateFields) -> BaselineGateTerms:
    """Convert the limits of baseline quality, in percent, to terms in ppm."""
    return BaselineGateTerms(
        cv_rmse_ppm=_parse_percent("measure.gates.cv_rmse", file.cv_rmse),
        nmbe_ppm=_parse_percent("measure.gates.nmbe", file.nmbe),
        missing_ppm=_parse_percent("measure.gates.missing", file.missing),
        days=file.days,
    )


def _adjustment(file: _AdjustmentFields) -> AdjustmentTerms:
    """Convert a non-routine adjustment; the amount per day becomes billionths of a unit."""
    nano = _parse_nano("measure.adjustments", file.per_day)
    return AdjustmentTerms(file.first, nano, file.reason, file.until, file.less)


def _meter_replacement(file: _MeterReplacementFields, zone: ZoneInfo) -> MeterReplacementTerms:
    """Convert a meter replacement; its time without an offset is in `zone`."""
    at = _parse_field("measure.swaps", lambda: parse_instant(file.at, zone))
    factor = _parse_nano("measure.swaps", file.factor)
    return MeterReplacementTerms(at, file.old, file.new, factor, file.reason, file.machine)


def _machine_groups(file: _MachineGroupFields) -> MachineGroupTerms:
    """Convert the names of treated (`having`) and control (`lacking`) machines."""
    return MachineGroupTerms(tuple(file.having), tuple(file.lacking))


def _parse_percent(field: str, percent: str) -> int:
    """Parse a percentage into ppm. Raises OutcomeTermsInvalid with the field."""
    return _parse_field(field, lambda: ppm_from_percent(percent))


def _parse_nano(field: str, text: str) -> int:
    """Parse a decimal text into billionths. Raises OutcomeTermsInvalid with the field."""
    return _parse_field(field, lambda: nano_from_text(text))
