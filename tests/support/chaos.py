"""Length of destructive tests: short in `make test`, full in `make chaos`."""

import os


def in_full(full: int, brief: int) -> int:
    """The number of rounds: the first with MAAS_CHAOS set, else the second."""
    return full if os.environ.get("MAAS_CHAOS") else brief
