"""Filters of a connector's points as a configuration file states them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from gateway.plant.connector.errors import ConnectorConfigInvalid
from gateway.plant.readings.filtering.deadband import Deadband, Midrange, ReportByException
from gateway.plant.readings.filtering.filter import ReadingFilter
from gateway.plant.readings.filtering.swinging_door import SwingingDoor
from gateway.plant.readings.filtering.timed import RateLimit, WindowMean

_SECOND_US = 1_000_000
FilterName = Literal[
    "none", "deadband", "midrange", "swinging_door", "exception", "rate_limit", "window_mean"
]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class FilterConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A filter: `bound` in the unit of values, `seconds` for filters by time.

    `max_silence_s` sends a reading at the latest after this time, where the filter supports it.
    """

    kind: FilterName = "exception"
    bound: float | None = None
    seconds: Seconds | None = None
    max_silence_s: Seconds | None = 600.0


def create_filter(config: FilterConfig) -> ReadingFilter | None:
    """Return a new filter; None passes all readings. Raises ConnectorConfigInvalid."""
    if config.kind == "none":
        return None
    try:
        return _FILTERS[config.kind](config)
    except ValueError as error:
        raise ConnectorConfigInvalid(f"The filter {config.kind!r}: {error}.") from None


def _silence_us(config: FilterConfig) -> int | None:
    """Return the longest silence in microseconds, or None."""
    silence = config.max_silence_s
    return None if silence is None else round(silence * _SECOND_US)


def _bound(config: FilterConfig) -> float:
    """Return the bound. Raises ValueError without one."""
    if config.bound is None:
        raise ValueError("`bound` is missing")
    return config.bound


def _duration_us(config: FilterConfig) -> int:
    """Return the duration in microseconds. Raises ValueError without one."""
    if config.seconds is None:
        raise ValueError("`seconds` is missing")
    return round(config.seconds * _SECOND_US)


_FILTERS: Mapping[str, Callable[[FilterConfig], ReadingFilter]] = MappingProxyType(
    {
        "deadband": lambda one: Deadband(_bound(one), _silence_us(one)),
        "midrange": lambda one: Midrange(_bound(one), _silence_us(one)),
        "swinging_door": lambda one: SwingingDoor(_bound(one), _silence_us(one)),
        "exception": lambda _one: ReportByException(),
        "rate_limit": lambda one: RateLimit(_duration_us(one)),
        "window_mean": lambda one: WindowMean(_duration_us(one)),
    }
)
