"""Sample arrivals from ServeGen's workload models: clients with rates, burstiness and lengths by
time."""

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
    """Ten minutes of one client: its call rate, and the distribution and variation of its
    intervals."""

    at_s: float
    rate: float
    cv: float
    kind: str


@dataclass(frozen=True, slots=True)
class TokenLengths:
    """A histogram of token counts."""

    tokens: Sequence[int]
    weights: Sequence[float]

    def draw(self, rng: random.Random) -> int:
        """Draw a token count."""
        return rng.choices(self.tokens, self.weights)[0]


# Lengths of prompts and of answers, by start time in seconds.
LengthsByTime = dict[float, tuple[TokenLengths, TokenLengths]]


def sample_servegen(folder: Path, rng: random.Random) -> list[Arrival]:
    """Sample a day of calls of all clients in the folder. Raises TraceMissing."""
    traces = sorted(folder.glob("chunk-*-trace.csv"))
    if not traces:
        raise TraceMissing(f"There are no clients of ServeGen's (chunk-…-trace.csv) in {folder}.")
    result: list[Arrival] = []
    for trace in traces:
        name = trace.name.replace("-trace.csv", "-dataset.json")
        lengths = _parse_lengths(_read_text(folder, name))
        result += _sample_client(read_windows(trace.read_text().splitlines()), lengths, rng)
    return result


def read_windows(lines: Iterable[str]) -> list[Window]:
    """Parse a client's windows that have calls, from CSV lines without a header."""
    rows = (line.split(",") for line in lines if line)
    return [Window(float(row[0]), float(row[1]), float(row[2]), row[3]) for row in rows if row[3]]


def sample_interval(window: Window, rng: random.Random) -> float:
    """Draw the seconds until the next call, with the window's distribution, mean and variation.

    The published parameters do not always have the published rate; the rate is kept, and only the
    shape is taken from them.
    """
    mean, cv = 1 / window.rate, max(window.cv, 1e-3)
    if window.kind == "Weibull":
        shape = _weibull_shape(cv)
        return rng.weibullvariate(mean / math.gamma(1 + 1 / shape), shape)
    shape = 1 / cv**2
    return rng.gammavariate(shape, mean / shape)


@lru_cache
def _weibull_shape(cv: float) -> float:
    """Return the Weibull shape with this coefficient of variation, by bisection."""
    low, high = 0.05, 50.0
    for _ in range(60):
        middle = math.sqrt(low * high)
        result = math.sqrt(math.gamma(1 + 2 / middle) / math.gamma(1 + 1 / middle) ** 2 - 1)
        low, high = (middle, high) if result > cv else (low, middle)
    return high


def _sample_client(
    windows: Sequence[Window],
    lengths: LengthsByTime,
    rng: random.Random,
) -> Iterator[Arrival]:
    if not lengths:
        return
    for window in windows:
        if window.rate <= 0:
            continue
        inputs, outputs = _lengths_at(lengths, window.at_s)
        # The window starts at a random point of an interval.
        at = sample_interval(window, rng) * rng.random()
        while at < _WINDOW_S:
            yield Arrival(window.at_s + at, inputs.draw(rng), outputs.draw(rng))
            at += max(sample_interval(window, rng), 1e-3)


def _lengths_at(lengths: LengthsByTime, at_s: float) -> tuple[TokenLengths, TokenLengths]:
    """Return the lengths at a time; before the first entry, the first."""
    return lengths[max((begins for begins in lengths if begins <= at_s), default=min(lengths))]


def _parse_lengths(text: str) -> LengthsByTime:
    """Parse the lengths by start time; times without lengths are left out."""
    result: LengthsByTime = {}
    for begins, data in json.loads(text).items():
        both = [_parse_histogram(data[name]) for name in ("input_tokens", "output_tokens")]
        if all(one.tokens for one in both):
            result[float(begins)] = (both[0], both[1])
    return result


def _parse_histogram(text: str) -> TokenLengths:
    data = ast.literal_eval(text)
    return TokenLengths([max(1, int(tokens)) for tokens in data], list(data.values()))


def _read_text(folder: Path, name: str) -> str:
    packed = folder / f"{name}.gz"
    return (
        gzip.decompress(packed.read_bytes()).decode()
        if packed.is_file()
        else (folder / name).read_text(encoding="utf-8")
    )
