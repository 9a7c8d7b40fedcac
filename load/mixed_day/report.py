"""The report of a day in Markdown: every kind of call, and objectives beside measured values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from load.slo import ALL, Measure, Seen, Verdict, measured


@dataclass(frozen=True, slots=True)
class Ran:
    """What the day was."""

    users: int
    seconds: float
    upstream: str
    at: str


def report(ran: Ran, seen: Mapping[str, Seen], verdicts: Sequence[Verdict]) -> str:
    """The whole of it."""
    held = sum(one.held for one in verdicts)
    lines = [
        f"# A mixed day, {ran.at}",
        "",
        f"{ran.users} users for {ran.seconds:.0f} s against {ran.upstream}: "
        f"{held} of {len(verdicts)} objectives held.",
        "",
        *_calls(ran, seen),
        "",
        *objectives_table(verdicts),
    ]
    return "\n".join(lines) + "\n"


def objectives_table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """The objectives, those that were missed in bold."""
    yield "| what | measure | measured | bound | held |"
    yield "|---|---|---|---|---|"
    for one in verdicts:
        unit = one.slo.measure.unit
        value = "not called" if one.value is None else f"{one.value:.1f} {unit}"
        cells = (one.slo.what, one.slo.measure, value, f"{one.slo.bound:g} {unit}")
        yield f"| {' | '.join(cells)} | {'yes' if one.held else '**no**'} |"


def _calls(ran: Ran, seen: Mapping[str, Seen]) -> Iterator[str]:
    yield "| what | calls | calls/s | failed | p50 ms | p95 ms | p99 ms |"
    yield "|---|---|---|---|---|---|---|"
    for what in [*sorted(name for name in seen if name != ALL), ALL]:
        if what in seen:
            yield _row(what, seen[what], ran.seconds)


def _row(what: str, one: Seen, seconds: float) -> str:
    times = [measured(each, one) for each in (Measure.P50, Measure.P95, Measure.P99)]
    cells = [
        what,
        str(one.num_requests),
        f"{one.num_requests / max(seconds, 1e-9):.1f}",
        str(one.num_failures),
        *("" if time is None else f"{time:.1f}" for time in times),
    ]
    return f"| {' | '.join(cells)} |"
