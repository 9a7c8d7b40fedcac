"""The report of a soak test in Markdown, also of a running or interrupted one."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from load.soak.events import EventRecord, all_carried_out, unexplained_failures
from load.soak.final_checks import RecordedCalls, WebhookCounts, WorkerJobs
from load.soak.memory_trend import MemorySeries

# Accepted share of failures that no fault explains: stalls of a busy machine.
_UNEXCUSED = 0.001


@dataclass
class SoakResult:
    """The result of a soak test; the last four fields are set at its end."""

    started_at: str
    planned_s: float
    saturation_s: float = 0.0
    rate_s: float = 0.0
    elapsed_s: float = 0.0
    answered: int = 0
    not_sent: int = 0
    failures: list[tuple[float, str]] = field(default_factory=list)
    event_records: list[EventRecord] = field(default_factory=list)
    series: list[MemorySeries] = field(default_factory=list)
    unavailability: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    webhooks_sent: int = 0
    crashed: list[str] = field(default_factory=list)
    interrupted: bool = False
    recorded: RecordedCalls | None = None
    webhooks: WebhookCounts | None = None
    jobs: WorkerJobs | None = None
    reconciled: Mapping[str, Any] | None = None

    def write(self, folder: Path) -> None:
        """Write the report, and the result as JSON, from which the report can be rendered again."""
        (folder / "soak.json").write_text(json.dumps(asdict(self)), encoding="utf-8")
        (folder / "report.md").write_text(render_report(self), encoding="utf-8")


def read_soak(file: Path) -> SoakResult:
    """Read the JSON that `write` wrote, also of an interrupted run."""
    data = json.loads(file.read_text(encoding="utf-8"))
    for name, kind in (
        ("recorded", RecordedCalls),
        ("webhooks", WebhookCounts),
        ("jobs", WorkerJobs),
    ):
        data[name] = None if data[name] is None else kind(**data[name])
    data["event_records"] = [EventRecord(**one) for one in data["event_records"]]
    data["series"] = [MemorySeries(**one) for one in data["series"]]
    data["failures"] = [(at, reason) for at, reason in data["failures"]]
    return SoakResult(**data)


def verdicts(soak: SoakResult) -> dict[str, bool | None]:
    """Return whether each check is met; None if that is not known yet."""
    unexplained = len(unexplained_failures(soak.failures, soak.event_records))
    recorded, webhooks, reconciled = soak.recorded, soak.webhooks, soak.reconciled
    is_finished = soak.recorded is not None
    is_flat = [one.is_flat for one in soak.series]
    return {
        "each answered call is recorded once": recorded.all_recorded_once if recorded else None,
        "`maas reconcile` finds nothing": not reconciled["differences"] if reconciled else None,
        "no reservation or call is open at the end": (
            is_nothing_pending(reconciled) if reconciled else None
        ),
        "each webhook is stored once and handled": (
            webhooks.stored == webhooks.handled == soak.webhooks_sent if webhooks else None
        ),
        "calls fail only during injected faults": (
            unexplained <= _UNEXCUSED * max(1, soak.answered) if is_finished else None
        ),
        "no process crashed": not soak.crashed if is_finished else None,
        "all faults were injected": all_carried_out(soak.event_records) if is_finished else None,
        "memory is flat": False if False in is_flat else (True if True in is_flat else None),
    }


def is_nothing_pending(reconciled: Mapping[str, Any]) -> bool:
    """Return whether `maas reconcile` found no open call and no reserved credit."""
    return not reconciled["open_calls"] and Decimal(reconciled["credit_held"]) == 0


def render_report(soak: SoakResult) -> str:
    """Render the whole report."""
    state = "interrupted" if soak.interrupted else ("whole" if soak.recorded else "under way")
    lines = [
        f"# Soak of {soak.started_at}: {state}",
        "",
        f"{soak.elapsed_s / 60:.1f} of {soak.planned_s / 60:.1f} minutes at {soak.rate_s:.0f} "
        f"calls/s, {_load_percent(soak):.0f} % of the {soak.saturation_s:.0f} that were reached at "
        "the beginning: "
        f"{soak.answered} answered whole, {len(soak.failures)} failed, {soak.not_sent} not sent.",
        "",
        "| check | passed |",
        "|---|---|",
        *(f"| {what} | {_render_verdict(held)} |" for what, held in verdicts(soak).items()),
        "",
        *_render_events(soak),
        "",
        *_render_unavailability(soak),
        *_render_memory(soak),
        *_render_end(soak),
    ]
    return "\n".join(lines) + "\n"


def _load_percent(soak: SoakResult) -> float:
    return 100 * soak.rate_s / soak.saturation_s if soak.saturation_s else 0.0


def _render_events(soak: SoakResult) -> Iterator[str]:
    yield "| at, min | fault | for, s | outcome | failed calls |"
    yield "|---|---|---|---|---|"
    for one in soak.event_records:
        failed = Counter(reason for at_s, reason in soak.failures if one.explains(at_s))
        yield (
            f"| {one.began_s / 60:.1f} | {one.name} | {one.ended_s - one.began_s:.1f} "
            f"| {one.outcome} | {_render_counts(failed)} |"
        )
    yield ""
    unexplained = Counter(unexplained_failures(soak.failures, soak.event_records))
    yield f"Failed without a fault: {_render_counts(unexplained)}."


def _render_unavailability(soak: SoakResult) -> Iterator[str]:
    """Yield the table of failed transactions and statements; one call may have several."""
    if soak.unavailability:
        yield "| gateway | database unavailable, by reason |"
        yield "|---|---|"
        for name, reasons in soak.unavailability.items():
            yield f"| {name} | {', '.join(f'{reason} {n:.0f}' for reason, n in reasons.items())} |"
        yield ""


def _render_memory(soak: SoakResult) -> Iterator[str]:
    yield "| process | min | first MiB | last MiB | slope, MiB/h | flat |"
    yield "|---|---|---|---|---|---|"
    for one in soak.series:
        if one.mib:
            slope = one.slope_mib_h
            yield (
                f"| {one.name} | {one.elapsed_s / 60:.1f} | {one.mib[0]:.0f} | {one.mib[-1]:.0f} "
                f"| {'–' if slope is None else f'{slope:+.1f}'} | {_render_verdict(one.is_flat)} |"
            )


def _render_end(soak: SoakResult) -> Iterator[str]:
    if soak.recorded is not None:
        found = soak.recorded
        yield ""
        yield (
            f"Rows: {found.rows}. Answered {found.answered}, {found.recorded} of them recorded, "
            f"{found.otherwise_settled} not as complete."
        )
    if soak.webhooks is not None:
        yield (
            f"Webhooks: {soak.webhooks_sent} sent, {soak.webhooks.stored} kept, "
            f"{soak.webhooks.handled} handled."
        )
    if soak.jobs is not None:
        scheduled_events = ", ".join(f"{name} {at}" for name, at in soak.jobs.last.items())
        yield f"Jobs, last due: {scheduled_events}; {soak.jobs.failed} failed."


def _render_counts(reasons: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "0"


def _render_verdict(held: bool | None) -> str:
    return "not known" if held is None else ("yes" if held else "**no**")
