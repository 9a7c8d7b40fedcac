"""The configuration file of a connector (TOML): gateway, queue, sources, points and filters."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from gateway.plant.readings.filtering.deadband import Deadband, Midrange, ReportByException
from gateway.plant.readings.filtering.filter import ReadingFilter
from gateway.plant.readings.filtering.swinging_door import SwingingDoor
from gateway.plant.readings.filtering.timed import RateLimit, WindowMean
from infra.errors import AppError

_MAX_CONFIG_BYTES = 4 << 20
_SECOND_US = 1_000_000
FilterName = Literal[
    "none", "deadband", "midrange", "swinging_door", "exception", "rate_limit", "window_mean"
]
_Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class ConnectorConfigInvalid(AppError):
    """The configuration file cannot be read or has wrong values."""

    code = "connector_config_invalid"


class FilterConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A filter: `bound` in the unit of values, `seconds` for filters by time.

    `max_silence_s` sends a reading at the latest after this time, where the filter supports it.
    """

    kind: FilterName = "exception"
    bound: float | None = None
    seconds: _Seconds | None = None
    max_silence_s: _Seconds | None = 600.0


class PointConfig(msgspec.Struct, forbid_unknown_fields=True):
    """A variable of an OPC UA server and the tag of its point; `filter` replaces the source's."""

    node: str
    tag: str
    unit: str = ""
    filter: FilterConfig | None = None


class OpcUaConfig(msgspec.Struct, forbid_unknown_fields=True):
    """An OPC UA server with its subscribed variables."""

    url: str
    points: list[PointConfig]
    interval_ms: Annotated[float, msgspec.Meta(gt=0, le=3_600_000)] = 1_000.0
    filter: FilterConfig = FilterConfig()


class ConnectorConfig(msgspec.Struct, forbid_unknown_fields=True):
    """A connector: address of the gateway, variable with its API key, queue and sources.

    `queue_bytes` bounds the queue on disk; readings above it are refused and counted.
    """

    url: str
    queue: str
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "connector"
    key_variable: str = "MAAS_API_KEY"
    queue_bytes: Annotated[int, msgspec.Meta(ge=1 << 16)] = 1 << 30
    batch_readings: Annotated[int, msgspec.Meta(ge=1, le=50_000)] = 5_000
    flush_s: _Seconds = 1.0
    opcua: list[OpcUaConfig] = []


def load_config(path: Path) -> ConnectorConfig:
    """Read a configuration file. Raises ConnectorConfigInvalid."""
    try:
        content = path.read_bytes()[: _MAX_CONFIG_BYTES + 1]
        config = msgspec.convert(tomllib.loads(content.decode("utf-8")), ConnectorConfig)
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
        raise ConnectorConfigInvalid(f"{path.name} cannot be used: {error}.") from None
    tags = [point.tag for server in config.opcua for point in server.points]
    if not tags or len(tags) > len(set(tags)):
        raise ConnectorConfigInvalid("The file must name at least one point, and no tag twice.")
    for server in config.opcua:
        for one in (server.filter, *(point.filter for point in server.points if point.filter)):
            create_filter(one)
    return config


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
