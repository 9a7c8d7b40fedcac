"""The section `[schedule]` of a definition: pumps that fill a tank against a time-of-use tariff.

    document as written -> check_schedule -> ScheduleStep (stored) -> schedule_fields (as written)

Volumes are in m³, flows in m³/h, powers in kW, prices per kWh in the currency of the tariff.
"""

from datetime import datetime, timedelta
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from gateway.agents.definitions.durations import DurationInvalid, format_duration, parse_duration
from gateway.agents.errors import AgentDefinitionInvalid
from gateway.plant.assets.units import canonical_unit
from models.policies.scheduling.tariff import (
    EXAMPLE,
    Period,
    Tariff,
    TariffInvalid,
    read_period,
    read_tariff,
    time_text,
)

MAX_PUMPS, MAX_PERIODS = 8, 48
_SLOT_MINUTES = (5, 10, 15, 20, 30, 60)
_MAX_HORIZON_S = 2 * 86_400.0
_MAX_NUMBER = 1e9
# Tariffs that a definition names; others are stated inline.
TARIFFS = {"four-price-example": EXAMPLE}


class LevelDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The level of the tank as written: limits in `unit`, of which one is `m3_per_unit` m³."""

    tag: str
    minimum: float
    maximum: float
    unit: str = "m3"
    m3_per_unit: float = 1.0
    stale_after: str = "30m"
    frozen_after: str = "2h"


class DemandDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The flow out of the tank as written, and the highest one that is expected, in `unit`."""

    tag: str
    maximum: float
    unit: str = "m3/h"


class PumpDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pump as written. tag: reads 1 while it runs, and takes the set point. Flow and power rated.

    flow: in m³/h, added by this pump to those before it in the list. power: in kW, likewise.
    """

    tag: str
    flow: float
    power: float


class ScheduleDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section as written. tariff: a name, or a table with `currency` and `periods`.

    low, high: levels at which all pumps start and stop until a learned schedule is in use.
    """

    level: LevelDocument
    demand: DemandDocument
    pumps: tuple[PumpDocument, ...]
    tariff: str | dict[str, Any]
    low: float
    high: float
    time_zone: str = "UTC"
    slot: str = "15m"
    horizon: str = "1d"
    start_price: float = 0.0
    power_tag: str = ""


class LevelPoint(msgspec.Struct, frozen=True, kw_only=True):
    """The level: limits in `unit`. stale_s: an older reading says nothing.

    frozen_s: readings that do not change for so long while water flows are those of a stuck sensor.
    """

    tag: str
    unit: str
    minimum: float
    maximum: float
    m3_per_unit: float
    stale_s: float
    frozen_s: float


class DemandPoint(msgspec.Struct, frozen=True, kw_only=True):
    """The flow out of the tank, and the highest one that is expected, in `unit`."""

    tag: str
    unit: str
    maximum: float


class PumpPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A pump: its state and set point, its rated flow in m³/h and power in kW."""

    tag: str
    flow: float
    power: float


class ScheduleStep(msgspec.Struct, frozen=True, kw_only=True):
    """The checked section. tariff_name: empty for a tariff that is stated inline.

    low, high: in the unit of the level. start_price: what a start of a pump costs. power_tag: a
    meter of all pumps in kW, empty without one; rated powers are used then.
    """

    level: LevelPoint
    demand: DemandPoint
    pumps: tuple[PumpPoint, ...]
    tariff_name: str
    tariff: Tariff
    low: float
    high: float
    time_zone: str
    slot_s: float
    horizon_s: float
    start_price: float
    power_tag: str = ""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the tariff."""
        return ZoneInfo(self.time_zone)

    @property
    def slots(self) -> int:
        """The number of slots of a day."""
        return round(86_400 / self.slot_s)

    @property
    def tags(self) -> tuple[str, ...]:
        """All points, of which the level is the first."""
        power = (self.power_tag,) if self.power_tag else ()
        return (self.level.tag, self.demand.tag, *(pump.tag for pump in self.pumps), *power)


def check_schedule(document: ScheduleDocument) -> ScheduleStep:
    """Return the section of a document. Raises AgentDefinitionInvalid."""
    _require(1 <= len(document.pumps) <= MAX_PUMPS, "pumps", f"has 1 to {MAX_PUMPS} entries.")
    _check_numbers(document)
    name, tariff = _tariff(document.tariff)
    slot_s = _seconds(document.slot, "slot")
    slots = ", ".join(f"`{minutes}m`" for minutes in _SLOT_MINUTES)
    _require(slot_s / 60 in _SLOT_MINUTES, "slot", f"must be one of {slots}.")
    horizon_s = _seconds(document.horizon, "horizon")
    _require(slot_s <= horizon_s <= _MAX_HORIZON_S, "horizon", "must be from one slot to `2d`.")
    step = ScheduleStep(
        level=_level(document.level),
        demand=DemandPoint(
            tag=document.demand.tag.strip(),
            unit=_unit(document.demand.unit, "demand.unit"),
            maximum=document.demand.maximum,
        ),
        pumps=tuple(
            PumpPoint(tag=one.tag.strip(), flow=one.flow, power=one.power) for one in document.pumps
        ),
        tariff_name=name,
        tariff=tariff,
        low=document.low,
        high=document.high,
        time_zone=_zone(document.time_zone, slot_s),
        slot_s=slot_s,
        horizon_s=horizon_s,
        start_price=document.start_price,
        power_tag=document.power_tag.strip(),
    )
    _require(all(step.tags), "pumps", "and `level` and `demand` need a `tag`.")
    _require(len(set(step.tags)) == len(step.tags), "pumps", "and other points need own tags.")
    return step


def schedule_fields(step: ScheduleStep) -> dict[str, Any]:
    """Return the section as people write it; checking it again gives the same."""
    level: dict[str, Any] = msgspec.to_builtins(step.level)
    stale_s, frozen_s = level.pop("stale_s"), level.pop("frozen_s")
    inline = {
        "currency": step.tariff.currency,
        "periods": [
            {"start": time_text(one.start), "name": one.name, "price": one.price}
            for one in step.tariff.periods
        ],
    }
    return {
        "tariff": step.tariff_name or inline,
        "time_zone": step.time_zone,
        "slot": format_duration(step.slot_s),
        "horizon": format_duration(step.horizon_s),
        "low": step.low,
        "high": step.high,
        "start_price": step.start_price,
        "power_tag": step.power_tag,
        "level": {
            **level,
            "stale_after": format_duration(stale_s),
            "frozen_after": format_duration(frozen_s),
        },
        "demand": msgspec.to_builtins(step.demand),
        "pumps": [msgspec.to_builtins(one) for one in step.pumps],
    }


def _check_numbers(document: ScheduleDocument) -> None:
    """Raise AgentDefinitionInvalid for numbers that are no limits, flows or prices."""
    level, demand = document.level, document.demand
    numbers = (level.minimum, level.maximum, level.m3_per_unit, demand.maximum, document.low,
               document.high, document.start_price)  # fmt: skip
    finite = all(isfinite(one) and abs(one) <= _MAX_NUMBER for one in numbers)
    _require(finite, "level", f"and other numbers must be {_MAX_NUMBER:g} at most.")
    in_order = 0 <= level.minimum < level.maximum
    _require(in_order, "level.minimum", "must be 0 or more and below `maximum`.")
    _require(level.m3_per_unit > 0, "level.m3_per_unit", "must be above 0.")
    _require(demand.maximum > 0, "demand.maximum", "must be above 0.")
    in_band = level.minimum <= document.low < document.high <= level.maximum
    _require(in_band, "low", "must be below `high`, both within the limits of the level.")
    _require(document.start_price >= 0, "start_price", "must be 0 or more.")
    for index, pump in enumerate(document.pumps):
        is_rated = 0 < pump.flow <= _MAX_NUMBER and 0 < pump.power <= _MAX_NUMBER
        _require(is_rated, f"pumps[{index}]", "needs a `flow` and a `power` above 0.")


def _level(document: LevelDocument) -> LevelPoint:
    """Return the level. Raises AgentDefinitionInvalid."""
    return LevelPoint(
        tag=document.tag.strip(),
        unit=_unit(document.unit, "level.unit"),
        minimum=document.minimum,
        maximum=document.maximum,
        m3_per_unit=document.m3_per_unit,
        stale_s=_seconds(document.stale_after, "level.stale_after"),
        frozen_s=_seconds(document.frozen_after, "level.frozen_after"),
    )


def _tariff(stated: str | dict[str, Any]) -> tuple[str, Tariff]:
    """Return the name and the periods of a tariff. Raises AgentDefinitionInvalid."""
    try:
        if isinstance(stated, dict):
            return "", _inline(stated)
        _require(stated in TARIFFS, "tariff", f"is one of {', '.join(TARIFFS)}, or a table.")
        return stated, read_tariff(TARIFFS[stated].read_text(encoding="utf-8"))
    except TariffInvalid as error:
        raise AgentDefinitionInvalid(
            f"`schedule.tariff`: {error}", param="schedule.tariff"
        ) from error


def _inline(stated: dict[str, Any]) -> Tariff:
    """Return a tariff that is stated as a table. Raises TariffInvalid."""
    periods, currency = stated.get("periods"), stated.get("currency")
    if set(stated) != {"currency", "periods"} or not isinstance(periods, list):
        raise TariffInvalid("A tariff has a `currency` and a list of `periods`.")
    if not isinstance(currency, str) or not 0 < len(currency) <= 8 or len(periods) > MAX_PERIODS:
        raise TariffInvalid(f"A tariff has a `currency` and at most {MAX_PERIODS} periods.")
    read: tuple[Period, ...] = tuple(read_period(one) for one in periods)
    return Tariff(currency, read)


def _zone(name: str, slot_s: float) -> str:
    """Return a time zone whose days consist of whole slots. Raises AgentDefinitionInvalid."""
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise AgentDefinitionInvalid(
            "`schedule.time_zone` must be a name such as `Asia/Shanghai`.",
            param="schedule.time_zone",
        ) from None
    offset = datetime(2026, 1, 1, tzinfo=zone).utcoffset() or timedelta()
    is_whole = offset.total_seconds() % slot_s == 0
    _require(is_whole, "slot", "must divide the time zone's offset from UTC.")
    return zone.key


def _unit(text: str, field: str) -> str:
    """Return a known unit. Raises AgentDefinitionInvalid."""
    unit = canonical_unit(text)
    _require(bool(unit), field, f"`{text[:24]}` is not known.")
    return unit or ""


def _seconds(text: str, field: str) -> float:
    """Return the seconds of a duration. Raises AgentDefinitionInvalid."""
    try:
        return parse_duration(text)
    except DurationInvalid as error:
        raise AgentDefinitionInvalid(
            f"`schedule.{field}` {error}", param=f"schedule.{field}"
        ) from (error)


def _require(holds: bool, field: str, reason: str) -> None:
    """Raise AgentDefinitionInvalid for a field of the section unless a condition holds."""
    if not holds:
        raise AgentDefinitionInvalid(f"`schedule.{field}` {reason}", param=f"schedule.{field}")
