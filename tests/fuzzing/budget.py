"""Number of fuzzing cases: few in every test run, many in `make fuzz`, and their tally."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings

FULL = "MAAS_FUZZ" in os.environ
CORPUS = Path(__file__).with_name("corpus")


@dataclass
class Tally:
    """The number of cases so far; each case adds itself."""

    cases: int = 0

    def count(self, cases: int = 1) -> None:
        self.cases += cases


TALLY = Tally()


def tried(short: int, full: int) -> Callable[..., None]:
    """Hypothesis settings for a number of cases. `make test` uses the same cases each time, so that
    failures are reproducible; `make fuzz` uses new ones."""
    return settings(
        max_examples=full if FULL else short,
        derandomize=not FULL,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def found(target: str) -> list[bytes]:
    """Earlier findings of a target, from the corpus."""
    return [file.read_bytes() for file in sorted((CORPUS / target).glob("*"))]
