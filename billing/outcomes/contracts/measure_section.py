"""The section [measure] of a contract file: how a measured effect is measured.

Owns its fields and their checks; what they mean is in
billing/outcomes/contracts/effect_definitions.py and billing/outcomes/contracts/nonroutine.py. Pure.
"""

from datetime import date, datetime
from functools import partial
from zoneinfo import ZoneInfo

import msgspec

from billing.dates import instant_of
from billing.money import nano_from_text
from billing.outcomes.contracts.effect_definitions import (
    Before,
    Combine,
    Design,
    Direction,
    Gates,
    Machines,
    Measure,
    Shape,
    Turns,
    Variable,
)
from billing.outcomes.contracts.field_rules import OutcomeTermsInvalid
from billing.outcomes.contracts.nonroutine import Adjustment, Excluded, Swap
from billing.rating.price_file import ppm_from_text
from billing.rating.toml import told

_fields = msgspec.structs.asdict
_told = partial(told, OutcomeTermsInvalid)


class _GatesFile(msgspec.Struct, forbid_unknown_fields=True):
    """What a baseline by days has to hold, unless agreed otherwise (docs/measurement.md)."""

    cv_rmse: str = "25"
    nmbe: str = "10"
    missing: str = "10"
    days: int = 90


class _VariableFile(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    unit: str
    combine: Combine = Combine.SUM
    shape: Shape = Shape.LINEAR


class _BeforeFile(msgspec.Struct, forbid_unknown_fields=True):
    first: date
    until: date


class _TurnsFile(msgspec.Struct, forbid_unknown_fields=True):
    days: int = 7
    washout: int = 1


class _MachinesFile(msgspec.Struct, forbid_unknown_fields=True):
    having: list[str]
    lacking: list[str]


class _AdjustmentFile(msgspec.Struct, forbid_unknown_fields=True):
    first: date
    per_day: str
    reason: str
    until: date | None = None
    less: bool = False


class _ExcludedFile(msgspec.Struct, forbid_unknown_fields=True):
    first: date
    until: date
    reason: str


class _SwapFile(msgspec.Struct, forbid_unknown_fields=True):
    at: datetime
    old: str
    new: str
    reason: str
    factor: str = "1"
    machine: str = ""


class MeasureFields(msgspec.Struct, forbid_unknown_fields=True):
    """`looks` is how many settlements there are, unless it says more."""

    unit: str
    direction: Direction
    design: Design = Design.BASELINE
    variables: list[_VariableFile] = []
    combine: Combine = Combine.SUM
    every_minutes: int = 24 * 60
    per: str | None = None
    confidence: str = "90"
    looks: int | None = None
    missing: str = "10"
    before: _BeforeFile | None = None
    turns: _TurnsFile | None = None
    machines: _MachinesFile | None = None
    adjustments: list[_AdjustmentFile] = []
    excluded: list[_ExcludedFile] = []
    swaps: list[_SwapFile] = []
    gates: _GatesFile = msgspec.field(default_factory=_GatesFile)


def measure_of(file: MeasureFields, zone: ZoneInfo, settlements: int) -> Measure:
    """What the section states of a contract with so many settlements, its times without an offset
    being of the zone. Raises OutcomeTermsInvalid."""
    return Measure(
        unit=file.unit,
        direction=file.direction,
        design=file.design,
        variables=tuple(Variable(**_fields(one)) for one in file.variables),
        confidence_ppm=_ppm("measure.confidence", file.confidence),
        missing_ppm=_ppm("measure.missing", file.missing),
        combine=file.combine,
        every_minutes=file.every_minutes,
        per=file.per,
        looks=settlements if file.looks is None else file.looks,
        before=None if file.before is None else Before(**_fields(file.before)),
        turns=None if file.turns is None else Turns(**_fields(file.turns)),
        machines=None if file.machines is None else _machines(file.machines),
        adjustments=tuple(_adjustment(one) for one in file.adjustments),
        excluded=tuple(Excluded(**_fields(one)) for one in file.excluded),
        swaps=tuple(_swap(one, zone) for one in file.swaps),
        gates=_gates(file.gates),
    )


def _gates(file: _GatesFile) -> Gates:
    return Gates(
        cv_rmse_ppm=_ppm("measure.gates.cv_rmse", file.cv_rmse),
        nmbe_ppm=_ppm("measure.gates.nmbe", file.nmbe),
        missing_ppm=_ppm("measure.gates.missing", file.missing),
        days=file.days,
    )


def _adjustment(file: _AdjustmentFile) -> Adjustment:
    nano = _nano("measure.adjustments", file.per_day)
    return Adjustment(file.first, nano, file.reason, file.until, file.less)


def _swap(file: _SwapFile, zone: ZoneInfo) -> Swap:
    at = _told("measure.swaps", lambda: instant_of(file.at, zone))
    factor = _nano("measure.swaps", file.factor)
    return Swap(at, file.old, file.new, factor, file.reason, file.machine)


def _machines(file: _MachinesFile) -> Machines:
    return Machines(tuple(file.having), tuple(file.lacking))


def _ppm(field: str, percent: str) -> int:
    return _told(field, lambda: ppm_from_text(percent))


def _nano(field: str, text: str) -> int:
    return _told(field, lambda: nano_from_text(text))
