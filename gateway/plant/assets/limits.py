"""Limits of the plant model: of an account, of a file, and of texts."""

from dataclasses import dataclass

MAX_CODE = 200
MAX_NAME = 300
MAX_PROPERTIES = 200
MAX_PROPERTY_VALUE = 2_000
MAX_TYPE = 200
MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class PlantLimits:
    """The most active assets and points of an account, and the largest file in bytes.

    Entities are limited as assets are, and relations as points are.
    """

    assets: int = 50_000
    points: int = 500_000
    file_bytes: int = 256 << 20
