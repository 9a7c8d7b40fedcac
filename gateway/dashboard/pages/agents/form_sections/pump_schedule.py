"""The section `[schedule]`, pumps that fill a tank, in the form of an agent; pure."""

from collections.abc import Mapping
from typing import Any

from gateway.agents.definitions.schedule import TARIFFS
from gateway.dashboard.pages.agents.form_sections.numbers import number_text, read_number
from gateway.dashboard.pages.agents.form_sections.rows import mark_row, row_prefixes

OWN_TARIFF = "own"
# Fields with their defaults; those without one are required.
_TEXTS = {"time_zone": "UTC", "slot": "15m", "horizon": "1d", "power_tag": ""}
_NUMBERS = {"low": None, "high": None, "start_price": 0}
_LEVEL_TEXTS = {"tag": "", "unit": "m3", "stale_after": "30m", "frozen_after": "2h"}
_LEVEL_NUMBERS = {"minimum": None, "maximum": None, "m3_per_unit": 1}
_PUMP_NUMBERS = ("flow", "power")


def schedule_values(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of the form for the schedule of a document."""
    section = document["schedule"]
    level, demand, tariff = section["level"], section["demand"], section["tariff"]
    values = _texts("schedule", section, _TEXTS) | _texts("schedule.level", level, _LEVEL_TEXTS)
    values |= _texts("schedule.demand", demand, {"tag": "", "unit": "m3/h"})
    values |= {"schedule.demand.maximum": number_text(demand["maximum"])}
    for at, part, numbers in (
        ("schedule", section, _NUMBERS),
        ("schedule.level", level, _LEVEL_NUMBERS),
    ):
        values |= {f"{at}.{name}": number_text(part.get(name, no)) for name, no in numbers.items()}
    for index, pump in enumerate(section["pumps"]):
        at = f"schedule.pumps[{index}]"
        values |= mark_row(at) | {f"{at}.tag": pump["tag"]}
        values |= {f"{at}.{name}": number_text(pump[name]) for name in _PUMP_NUMBERS}
    return values | _tariff_values(tariff)


def schedule_section(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the section that the fields of the form state."""
    return {
        **{name: _text(values, f"schedule.{name}", default) for name, default in _TEXTS.items()},
        **{name: read_number(values.get(f"schedule.{name}", "")) for name in _NUMBERS},
        "tariff": _tariff(values),
        "level": {
            **{n: _text(values, f"schedule.level.{n}", no) for n, no in _LEVEL_TEXTS.items()},
            **{n: read_number(values.get(f"schedule.level.{n}", "")) for n in _LEVEL_NUMBERS},
        },
        "demand": {
            "tag": _text(values, "schedule.demand.tag", ""),
            "unit": _text(values, "schedule.demand.unit", "m3/h"),
            "maximum": read_number(values.get("schedule.demand.maximum", "")),
        },
        "pumps": [_pump(values, at) for at in row_prefixes(values, "schedule.pumps")],
    }


def _tariff_values(tariff: str | Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a tariff, which is named or stated by its periods."""
    if isinstance(tariff, str):
        return {"schedule.tariff": tariff, "schedule.currency": ""}
    values = {"schedule.tariff": OWN_TARIFF, "schedule.currency": tariff["currency"]}
    for index, period in enumerate(tariff["periods"]):
        at = f"schedule.periods[{index}]"
        values |= mark_row(at) | {
            f"{at}.start": period["start"],
            f"{at}.name": period["name"],
            f"{at}.price": number_text(period["price"]),
        }
    return values


def _tariff(values: Mapping[str, str]) -> str | dict[str, Any]:
    """Return the tariff that the fields state."""
    name = values.get("schedule.tariff", "")
    if name in TARIFFS:
        return name
    periods = [
        {
            "start": values.get(f"{at}.start", "").strip(),
            "name": values.get(f"{at}.name", "").strip(),
            "price": read_number(values.get(f"{at}.price", "")),
        }
        for at in row_prefixes(values, "schedule.periods")
    ]
    return {"currency": _text(values, "schedule.currency", ""), "periods": periods}


def _pump(values: Mapping[str, str], at: str) -> dict[str, Any]:
    """Return one pump."""
    numbers = {name: read_number(values.get(f"{at}.{name}", "")) for name in _PUMP_NUMBERS}
    return {"tag": _text(values, f"{at}.tag", ""), **numbers}


def _texts(at: str, part: Mapping[str, Any], defaults: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of a part of the section, with defaults for those that are missing."""
    return {f"{at}.{name}": part.get(name, default) for name, default in defaults.items()}


def _text(values: Mapping[str, str], field: str, default: str) -> str:
    """Return the text of a field, the default if it is empty."""
    return values.get(field, "").strip() or default
