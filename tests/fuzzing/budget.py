"""How much is tried: a little with every test run, much by `make fuzz`, and how much it was."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings

FULL = "MAAS_FUZZ" in os.environ
CORPUS = Path(__file__).with_name("corpus")


@dataclass
class Tally:
    """Cases so far; each case counts itself."""

    cases: int = 0

    def count(self, cases: int = 1) -> None:
        self.cases += cases


TALLY = Tally()


def tried(short: int, full: int) -> Callable[..., None]:
    """Hypothesis' settings for so many cases. `make test` tries the same ones each time, so that
    what fails there fails for everybody; `make fuzz` always tries others."""
    return settings(
        max_examples=full if FULL else short,
        derandomize=not FULL,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def found(target: str) -> list[bytes]:
    """What was once found to be too much for a target."""
    return [file.read_bytes() for file in sorted((CORPUS / target).glob("*"))]
