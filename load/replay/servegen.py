"""ServeGen's shapes: clients of a large service, with rates, burstiness and lengths by time.

What is published are shapes, not calls: arrivals are sampled from them.
"""

import ast
import gzip
import json
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from load.replay.arrivals import Arrival, TraceMissing

_WINDOW_S = 600.0


@dataclass(frozen=True, slots=True)
class Window:
    """Some minutes of one client: calls a second, and how the pauses between them vary."""

    at_s: float
    rate: float
    cv: float
    kind: str


@dataclass(frozen=True, slots=True)
class Lengths:
    """How often a number of tokens is seen."""

    tokens: Sequence[int]
    weights: Sequence[float]

    def draw(self, chance: random.Random) -> int:
        return chance.choices(self.tokens, self.weights)[0]


# Of prompts and of answers, by the second from which they hold.
ByTime = dict[float, tuple[Lengths, Lengths]]


def sample_servegen(folder: Path, chance: random.Random) -> list[Arrival]:
    """A day of all clients in the folder. Raises TraceMissing."""
    traces = sorted(folder.glob("chunk-*-trace.csv"))
    if not traces:
        raise TraceMissing(f"There are no clients of ServeGen's (chunk-…-trace.csv) in {folder}.")
    found: list[Arrival] = []
    for trace in traces:
        name = trace.name.replace("-trace.csv", "-dataset.json")
        lengths = _lengths(_text(folder, name))
        found += _client(read_windows(trace.read_text().splitlines()), lengths, chance)
    return found


def read_windows(lines: Iterable[str]) -> list[Window]:
    """A client's windows in which it calls; without a header."""
    rows = (line.split(",") for line in lines if line)
    return [Window(float(row[0]), float(row[1]), float(row[2]), row[3]) for row in rows if row[3]]


def pause(window: Window, chance: random.Random) -> float:
    """Seconds to the next call: of the window's family, with its mean and its variation.

    The published parameters do not always have the mean that the rate says; that is kept here, and
    of the family the shape.
    """
    mean, cv = 1 / window.rate, max(window.cv, 1e-3)
    if window.kind == "Weibull":
        shape = _weibull_shape(cv)
        return chance.weibullvariate(mean / math.gamma(1 + 1 / shape), shape)
    shape = 1 / cv**2
    return chance.gammavariate(shape, mean / shape)


@lru_cache
def _weibull_shape(cv: float) -> float:
    """The shape with this variation, by halving."""
    low, high = 0.05, 50.0
    for _ in range(60):
        middle = math.sqrt(low * high)
        found = math.sqrt(math.gamma(1 + 2 / middle) / math.gamma(1 + 1 / middle) ** 2 - 1)
        low, high = (middle, high) if found > cv else (low, middle)
    return high


def _client(
    windows: Sequence[Window],
    lengths: ByTime,
    chance: random.Random,
) -> Iterator[Arrival]:
    if not lengths:
        return
    for window in windows:
        if window.rate <= 0:
            continue
        inputs, outputs = lengths[
            max((t for t in lengths if t <= window.at_s), default=min(lengths))
        ]
        # The window begins somewhere within a pause.
        at = pause(window, chance) * chance.random()
        while at < _WINDOW_S:
            yield Arrival(window.at_s + at, inputs.draw(chance), outputs.draw(chance))
            at += max(pause(window, chance), 1e-3)


def _at(lengths: ByTime, at_s: float) -> tuple[Lengths, Lengths]:
    """Those that hold then; before the first of them the first."""
    return lengths[max((begins for begins in lengths if begins <= at_s), default=min(lengths))]


def _lengths(text: str) -> ByTime:
    """By the second from which they hold; spans without any are left out."""
    found: ByTime = {}
    for begins, said in json.loads(text).items():
        both = [_histogram(said[name]) for name in ("input_tokens", "output_tokens")]
        if all(one.tokens for one in both):
            found[float(begins)] = (both[0], both[1])
    return found


def _histogram(text: str) -> Lengths:
    said = ast.literal_eval(text)
    return Lengths([max(1, int(tokens)) for tokens in said], list(said.values()))


def _text(folder: Path, name: str) -> str:
    packed = folder / f"{name}.gz"
    return (
        gzip.decompress(packed.read_bytes()).decode()
        if packed.is_file()
        else (folder / name).read_text(encoding="utf-8")
    )
