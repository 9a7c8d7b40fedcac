"""The profile that tests serve."""

from typing import Literal

# The smallest language model: the others take minutes to start and gigabytes of memory.
PROFILE: Literal["cpu-tiny"] = "cpu-tiny"
