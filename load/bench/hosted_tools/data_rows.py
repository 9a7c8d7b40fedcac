"""Rows of AI4I and engines of C-MAPSS, asked in words."""

import csv
import gzip
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from load.bench.hosted_tools.requests import BenchRequest, Expected, milling_request

_AI4I = Path("ai4i2020") / "ai4i2020.csv.gz"
_CMAPSS = Path("cmapss") / "test_FD001.txt.gz"
_FAILURE = "Machine failure"
# Every hundredth row of the file.
_ROW_STEP = 100
# Columns of the file: unit, cycle, three settings, then 21 sensors.
_SENSORS = {
    "T24": 6, "T30": 7, "T50": 8, "P15": 10, "P30": 11, "Nf": 12, "Nc": 13, "Ps30": 15,
    "phi": 16, "NRf": 17, "NRc": 18, "BPR": 19, "htBleed": 21, "W31": 24, "W32": 25,
}  # fmt: skip
_FORMS = (
    "How many cycles has this turbofan engine left? Readings of each cycle since new:\n{table}",
    "涡扇发动机的剩余寿命还有多少个循环？自投用以来每个循环的读数如下：\n{table}",
    "Turbofan, remaining useful life please.\n{series}",
    "请预测这台涡扇发动机的剩余寿命（循环数）。\n{series}",
)
# Longer histories are longer than a person pastes.
_MAX_CYCLES = 120


def milling_rows(folder: Path, count: int, *, balanced: bool = False) -> list[BenchRequest]:
    """Return rows of AI4I in words, alternately English and Chinese; none without the data.

    `balanced` rows are half those of a failure, which are 3 % of the file: who always says no is
    right in half of them, and not in 97 %.
    """
    file = folder / _AI4I
    if not file.exists():
        sys.stderr.write(f"{_AI4I} is not there: its rows are left out\n")
        return []
    with gzip.open(file, "rt", encoding="utf-8-sig", newline="") as stream:
        table = list(csv.DictReader(stream))
    rows = _half_failures(table) if balanced else table[_ROW_STEP - 1 :: _ROW_STEP]
    return [milling_request(row, number % 2 == 1) for number, row in enumerate(rows[:count])]


def _half_failures(table: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return rows of which half are failures: two with a failure, two without, in turn."""
    failures = [row for row in table if row[_FAILURE] == "1"]
    others = [row for row in table if row[_FAILURE] == "0"][_ROW_STEP - 1 :: _ROW_STEP // 4]
    # The language alternates by row: of two in turn, each language asks for one.
    pairs = zip(failures[::2], failures[1::2], others[::2], others[1::2], strict=False)
    return [row for pair in pairs for row in pair]


def engine_rows(folder: Path, count: int) -> list[BenchRequest]:
    """Return engines of C-MAPSS in words, as tables and as series; none without the data."""
    file = folder / _CMAPSS
    if not file.exists():
        sys.stderr.write(f"{_CMAPSS} is not there: its engines are left out\n")
        return []
    histories = [one for one in _histories(file) if 20 <= len(one) <= _MAX_CYCLES]
    return [engine_request(one, number) for number, one in enumerate(histories[:count])]


def engine_request(history: list[list[str]], number: int) -> BenchRequest:
    """Return the history of an engine, lines of the data file, as a question in words."""
    columns = {name: [line[column] for line in history] for name, column in _SENSORS.items()}
    cycles = zip(*columns.values(), strict=True)
    table = "\n".join(["\t".join(columns), *("\t".join(cycle) for cycle in cycles)])
    series = "\n".join(f"{name}: {', '.join(values)}" for name, values in columns.items())
    text = _FORMS[number % len(_FORMS)].format(table=table, series=series)
    inputs = {name: tuple(float(one) for one in values) for name, values in columns.items()}
    return BenchRequest("remaining_life", Expected.DECISION, text, dict(inputs))


def _histories(file: Path) -> Iterator[list[list[str]]]:
    """Yield the lines of each engine, as lists of texts."""
    with gzip.open(file, "rt", encoding="ascii") as stream:
        lines = [line.split() for line in stream]
    for _, engine in groupby(lines, key=lambda line: line[0]):
        yield list(engine)
