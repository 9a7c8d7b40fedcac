"""The report of a soak in Markdown, also of one that is under way or was interrupted."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from load.soak.events import Happened, carried_through, unexcused
from load.soak.final_checks import Hooks, Jobs, Recorded
from load.soak.memory_trend import Series

# Calls that fail while nothing happens, of all: a busy machine's stalls.
_UNEXCUSED = 0.001


@dataclass
class Soak:
    """All that is known of a run; the last four only at its end."""

    began_at: str
    wanted_s: float
    saturation_s: float = 0.0
    rate_s: float = 0.0
    lasted_s: float = 0.0
    answered: int = 0
    not_sent: int = 0
    failures: list[tuple[float, str]] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    absences: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    hooks_sent: int = 0
    fallen: list[str] = field(default_factory=list)
    interrupted: bool = False
    recorded: Recorded | None = None
    hooks: Hooks | None = None
    jobs: Jobs | None = None
    reconciled: Mapping[str, Any] | None = None

    def write(self, folder: Path) -> None:
        """The report, and all that it is made of, so that it can be told again."""
        (folder / "soak.json").write_text(json.dumps(asdict(self)), encoding="utf-8")
        (folder / "report.md").write_text(report(self), encoding="utf-8")


def read_soak(file: Path) -> Soak:
    """What `write` wrote, also of a run that was killed."""
    said = json.loads(file.read_text(encoding="utf-8"))
    for name, kind in (("recorded", Recorded), ("hooks", Hooks), ("jobs", Jobs)):
        said[name] = None if said[name] is None else kind(**said[name])
    said["happened"] = [Happened(**one) for one in said["happened"]]
    said["series"] = [Series(**one) for one in said["series"]]
    said["failures"] = [(at, why) for at, why in said["failures"]]
    return Soak(**said)


def verdicts(soak: Soak) -> dict[str, bool | None]:
    """What must hold; None where that is not known, or not yet."""
    stray = len(unexcused(soak.failures, soak.happened))
    recorded, hooks, reconciled = soak.recorded, soak.hooks, soak.reconciled
    known = soak.recorded is not None
    flat = [one.flat for one in soak.series]
    return {
        "each answered call is recorded once": recorded.each_once if recorded else None,
        "`maas reconcile` finds nothing": not reconciled["differences"] if reconciled else None,
        "nothing is held or open at the end": (nothing_left(reconciled) if reconciled else None),
        "each webhook is kept once and handled": (
            hooks.kept == hooks.handled == soak.hooks_sent if hooks else None
        ),
        "calls fail only by what happens": (
            stray <= _UNEXCUSED * max(1, soak.answered) if known else None
        ),
        "no process fell by itself": not soak.fallen if known else None,
        "what was to happen did": carried_through(soak.happened) if known else None,
        "memory is flat": False if False in flat else (True if True in flat else None),
    }


def nothing_left(reconciled: Mapping[str, Any]) -> bool:
    """Whether, by `maas reconcile`, no call is open and no credit held."""
    return not reconciled["open_calls"] and Decimal(reconciled["credit_held"]) == 0


def report(soak: Soak) -> str:
    """The whole of it."""
    state = "interrupted" if soak.interrupted else ("whole" if soak.recorded else "under way")
    lines = [
        f"# Soak of {soak.began_at}: {state}",
        "",
        f"{soak.lasted_s / 60:.1f} of {soak.wanted_s / 60:.1f} minutes at {soak.rate_s:.0f} calls/s"
        f", {_part(soak):.0f} % of the {soak.saturation_s:.0f} that were reached at the beginning: "
        f"{soak.answered} answered whole, {len(soak.failures)} failed, {soak.not_sent} not sent.",
        "",
        "| what must hold | held |",
        "|---|---|",
        *(f"| {what} | {_word(held)} |" for what, held in verdicts(soak).items()),
        "",
        *_happened(soak),
        "",
        *_absences(soak),
        *_memory(soak),
        *_ends(soak),
    ]
    return "\n".join(lines) + "\n"


def _part(soak: Soak) -> float:
    return 100 * soak.rate_s / soak.saturation_s if soak.saturation_s else 0.0


def _happened(soak: Soak) -> Iterator[str]:
    yield "| at, min | what happened | for, s | what came of it | calls that failed by it |"
    yield "|---|---|---|---|---|"
    for one in soak.happened:
        failed = Counter(why for at_s, why in soak.failures if one.excuses(at_s))
        yield (
            f"| {one.began_s / 60:.1f} | {one.name} | {one.ended_s - one.began_s:.1f} "
            f"| {one.outcome} | {_counted(failed)} |"
        )
    yield ""
    yield f"Failed otherwise: {_counted(Counter(unexcused(soak.failures, soak.happened)))}."


def _absences(soak: Soak) -> Iterator[str]:
    """Each is one transaction or statement: a call may meet several, or one that is tried again."""
    if soak.absences:
        yield "| gateway | why PostgreSQL was not there for it, times |"
        yield "|---|---|"
        for name, reasons in soak.absences.items():
            yield f"| {name} | {', '.join(f'{why} {n:.0f}' for why, n in reasons.items())} |"
        yield ""


def _memory(soak: Soak) -> Iterator[str]:
    yield "| process | min | first MiB | last MiB | slope, MiB/h | flat |"
    yield "|---|---|---|---|---|---|"
    for one in soak.series:
        if one.mib:
            slope = one.slope_mib_h
            yield (
                f"| {one.name} | {one.lasted_s / 60:.1f} | {one.mib[0]:.0f} | {one.mib[-1]:.0f} "
                f"| {'–' if slope is None else f'{slope:+.1f}'} | {_word(one.flat)} |"
            )


def _ends(soak: Soak) -> Iterator[str]:
    if soak.recorded is not None:
        found = soak.recorded
        yield ""
        yield (
            f"Rows: {found.rows}. Answered {found.answered}, {found.recorded} of them recorded, "
            f"{found.otherwise_settled} not as complete."
        )
    if soak.hooks is not None:
        yield (
            f"Webhooks: {soak.hooks_sent} sent, {soak.hooks.kept} kept, {soak.hooks.handled} "
            "handled."
        )
    if soak.jobs is not None:
        due = ", ".join(f"{name} {at}" for name, at in soak.jobs.last.items())
        yield f"Jobs, last due: {due}; {soak.jobs.failed} failed."


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(f"{count} {why}" for why, count in reasons.items()) or "0"


def _word(held: bool | None) -> str:
    return "not known" if held is None else ("yes" if held else "**no**")
