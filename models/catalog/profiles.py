"""Hardware profiles: which entries of the catalog a deployment serves, and on which hardware."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Hardware(StrEnum):
    """What the language models of a profile run on."""

    CPU = "cpu"
    GPU = "gpu"


# `cpu-small` and `cpu-tiny` serve smaller language models, for machines with little memory and for
# tests; everything else is the same.
PROFILES: Mapping[str, Hardware] = MappingProxyType(
    {
        "cpu": Hardware.CPU,
        "cpu-small": Hardware.CPU,
        "cpu-tiny": Hardware.CPU,
        "gpu": Hardware.GPU,
    }
)
DEFAULT_PROFILE = "cpu"


def hardware_of(profile: str) -> Hardware:
    """Return the hardware of a profile. Raises KeyError if the profile is unknown."""
    return PROFILES[profile]
