"""Series of numbers in a text: lists, rows of subgroups with their labels, and lines of a log."""

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise, takewhile
from operator import itemgetter

from models.arguments.lexicon import Cue, Strength
from models.arguments.quantities import MIN_RUN, Quantity, find_runs

# The longest text between a word and its number right beside it: `sigma = 0.9`.
_BESIDE = 3
# The label of a row: `2) `, `Subgroup 3: `, `第2组：`, `B: `.
_ROW_LABEL = re.compile(
    r"[\s,;|()\]]*(?:[^\d\n,;]{0,18}(?:\d{1,3}[^\d\n,;]{0,4})?[:)\]|\t=][ \t|]*"
    r"|第?[一二三四五六七八九十\d]{1,2}[组批行班次轮][\s:;,]*|[A-Za-z一-鿿]{1,3}组[\s:;,]*"
    r"|\d{1,2}:\d{2}(?::\d{2})?[\s|,]*|[A-Za-z]{1,9}[ -]?\d{0,3}[ \t]+)?"
)
_DIGITS = re.compile(
    r"\d+(?:[.,:/-]\d+)*|[上下]?(?:周|星期|礼拜)[一二三四五六日天]"
    r"|\b(?:mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*",
    re.IGNORECASE,
)
_AFTER_LAST = re.compile(r"[\s|,;.)\]]*")
_MIN_LINES, _MAX_LABEL = 4, 48
_CLOCK = re.compile(r"\d{1,2}:\d{2}")
_SUBGROUP = re.compile(r"组|sub-?group|sample|\bgroup", re.IGNORECASE)


def find_series(
    text: str, quantities: Sequence[Quantity], named: Sequence[Cue], apart: Sequence[Cue]
) -> list[tuple[Quantity, ...]]:
    """Return the series of a normalized text, the longest first.

    named: the words of columns of single numbers, whose numbers are in no series. apart: the words
    between which a series does not go on.
    """
    rows = [_without_labelled(text, run, named) for run in find_runs(text, quantities, 2)]
    apart = sorted(apart, key=lambda cue: cue.start)
    whole = [_without_numbering(text, run) for run in _joined_rows(text, rows, apart)]
    found = [run for run in whole if len(run) >= MIN_RUN]
    found += [run for run in _log_lines(text, quantities) if not _overlaps(run, found)]
    return sorted(found, key=len, reverse=True)


def labelled_row_length(
    text: str, series: Sequence[Quantity], quantities: Sequence[Quantity]
) -> int | None:
    """Return how many numbers each row of a series has, None without rows called subgroups."""
    known = {one.start for one in series}
    rows = [run for run in find_runs(text, quantities, 2) if run[0].start in known]
    lengths = {len(row) for row in rows}
    labels = [text[text.rfind("\n", 0, row[0].start) + 1 : row[0].start] for row in rows]
    is_of_hours = _SUBGROUP.search(text) is not None and all(map(_CLOCK.search, labels))
    is_of_groups = all(_SUBGROUP.search(label[-24:]) for label in labels)
    is_labelled = len(rows) > 1 and (is_of_groups or is_of_hours)
    return lengths.pop() if is_labelled and len(lengths) == 1 else None


def _without_labelled(
    text: str, run: tuple[Quantity, ...], named: Sequence[Cue]
) -> tuple[Quantity, ...]:
    """Return a run without a first number that a word names: `sigma 0.9, 51.6 49.5 51.7`.

    Something else separates that number: a comma, or the end of its line.
    """
    if len(run) < MIN_RUN:
        return run
    first, second, third = run[:3]
    is_named = any(cue.end <= first.start <= cue.end + _BESIDE for cue in named)
    gaps = text[first.end : second.start], text[second.end : third.start]
    is_apart = any(sign in gaps[0] and sign not in gaps[1] for sign in ",;\n")
    return run[1:] if is_named and (is_apart or "\n" in gaps[0]) else run


def _joined_rows(
    text: str, runs: Sequence[tuple[Quantity, ...]], apart: Sequence[Cue]
) -> Iterator[tuple[Quantity, ...]]:
    """Yield runs, with rows of equally many numbers as one: `A: 9.8 10.1; B: 10.0 9.9`."""
    rows: list[Quantity] = []
    length = 0
    for run in runs:
        is_next = len(run) == length and _is_row(text, rows[-1], run[0], apart)
        if not is_next:
            if rows:
                yield tuple(rows)
            rows, length = [], len(run)
        rows.extend(run)
    if rows:
        yield tuple(rows)


def _is_row(text: str, last: Quantity, first: Quantity, apart: Sequence[Cue]) -> bool:
    """Return whether only the label of a row stands between two runs."""
    between = text[last.end : first.start]
    if len(between) > _MAX_LABEL or _ROW_LABEL.fullmatch(between) is None:
        return False
    after = bisect_left(apart, last.end, key=lambda cue: cue.start)
    inside = takewhile(lambda cue: cue.end <= first.start, apart[after:])
    return all(
        cue.strength is Strength.WEAK
        or between[cue.end - last.end :].lstrip()[:1].isdigit()  # `Subgroup 3: `
        for cue in inside
    )


def _without_numbering(text: str, run: tuple[Quantity, ...]) -> tuple[Quantity, ...]:
    """Return a run without the numbers of its rows: lines that begin with 1, 2, 3."""
    by_line = groupby(_by_line(text, run), itemgetter(0))
    lines = [tuple(one for _, one in group) for _, group in by_line]
    firsts = [line[0].value for line in lines]
    is_table = len(lines) > 1 and len({len(line) for line in lines}) == 1 and len(lines[0]) > 1
    is_numbered = firsts[0] in (0.0, 1.0) and all(b - a == 1 for a, b in pairwise(firsts))
    if not is_table or not is_numbered:
        return run
    return tuple(one for line in lines for one in line[1:])


def _by_line(text: str, run: Sequence[Quantity]) -> Iterator[tuple[int, Quantity]]:
    """Yield the numbers of a run with the number of their line."""
    line, end = 0, run[0].start
    for one in run:
        line += text.count("\n", end, one.start)
        end = one.start
        yield line, one


def _log_lines(text: str, quantities: Sequence[Quantity]) -> list[tuple[Quantity, ...]]:
    """Return the last numbers of lines that differ in their digits only: `[06:00] oven 374 F`."""
    found: list[tuple[Quantity, ...]] = []
    lines: list[Quantity] = []
    form, start, remaining = "", 0, deque(quantities)
    for line in text.split("\n"):
        end = start + len(line)
        inside = []
        while remaining and remaining[0].start < end:
            inside.append(remaining.popleft())
        own = _DIGITS.sub("0", line).strip()
        is_value = inside and _AFTER_LAST.fullmatch(text, inside[-1].end, end) is not None
        if not is_value or own != form:
            found, lines = _with_lines(found, lines), []
        if is_value:
            lines.append(inside[-1])
        form, start = own, end + 1
    return _with_lines(found, lines)


def _with_lines(
    found: list[tuple[Quantity, ...]], lines: Sequence[Quantity]
) -> list[tuple[Quantity, ...]]:
    """Return the series with the numbers of lines, if these are enough and have one unit."""
    is_series = len(lines) >= _MIN_LINES and len({one.units for one in lines}) == 1
    return [*found, tuple(lines)] if is_series else found


def _overlaps(run: Sequence[Quantity], found: Sequence[Sequence[Quantity]]) -> bool:
    """Return whether a series has a number of another one."""
    known = {one.start for other in found for one in other}
    return any(one.start in known for one in run)
