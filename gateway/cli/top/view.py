"""Terminal rendering of `maas top` within 80 columns, the most urgent first."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.cli.top.snapshot import ErrorState, JobState, ModelState, TopSnapshot

_BAD_STYLE, _GOOD_STYLE, _DIM_STYLE = "bold red", "green", "dim"
_LATE_S = 300.0
_STALE_S = 60.0


def render_snapshot(top: TopSnapshot, url: str) -> RenderableType:
    """Return the renderable of a snapshot."""
    parts: list[RenderableType] = [_health_line(top, url), _traffic_table(top), Text()]
    parts.append(_model_table(top.models))
    if top.errors:
        parts += [Text(), _error_table(top.errors)]
    parts += [Text(), _job_table(top.jobs, top)]
    return Group(*parts)


def format_amount(value: float) -> str:
    """Format a number with few significant digits."""
    if value == 0:
        return "0"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def format_duration(seconds: float | None) -> str:
    """Format seconds as ms, s or min; a dash for None."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def format_spend(spend: Mapping[str, float]) -> str:
    """Format amounts by currency."""
    return ", ".join(
        f"{format_amount(value)} {currency}" for currency, value in sorted(spend.items())
    )


def _health_line(top: TopSnapshot, url: str) -> Text:
    """Return the line of problems, or `healthy`."""
    text = Text(f"{url}  ", no_wrap=True, overflow="ellipsis")
    problems = [
        name
        for name, present in (
            ("database unavailable", not top.ready.get("database", True)),
            ("models unavailable", not top.ready.get("models", True)),
            ("usage not written", top.records_failing),
            ("no worker running", not top.workers),
            (f"{top.differences} reconciliation differences", top.differences > 0),
        )
        if present
    ]
    text.append(", ".join(problems) or "healthy", _BAD_STYLE if problems else _GOOD_STYLE)
    return text


def _traffic_table(top: TopSnapshot) -> Table:
    """Return the table of rates, latencies and queues."""
    rows = (
        (
            "calls/s",
            format_amount(top.calls),
            "p50",
            format_duration(top.p50),
            "in flight",
            str(top.running),
        ),
        (
            "tokens/s",
            format_amount(top.tokens),
            "p95",
            format_duration(top.p95),
            "queued",
            str(top.waiting),
        ),
        (
            "spend/min",
            format_spend(top.spend) or "0",
            "first token p95",
            format_duration(top.first_token_p95),
            "failed deliveries",
            str(top.outside_failed),
        ),
    )
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(
            *(Text(text, "bold" if column % 2 else _DIM_STYLE) for column, text in enumerate(row))
        )
    return table


def _model_table(models: Sequence[ModelState]) -> Table:
    """Return the table of models."""
    table = _new_table(("model", 24), "up", "calls/s", "tok/s", "p50", "p95", "queue", "spend/min")
    for model in models:
        up = Text("?", _DIM_STYLE) if model.up is None else Text("up" if model.up else "DOWN")
        up.stylize(_GOOD_STYLE if model.up else _BAD_STYLE if model.up is False else _DIM_STYLE)
        table.add_row(
            model.model,
            up,
            format_amount(model.calls),
            format_amount(model.tokens),
            format_duration(model.p50),
            format_duration(model.p95),
            str(model.waiting),
            format_spend(model.spend),
        )
    return table


def _error_table(errors: Sequence[ErrorState]) -> Table:
    """Return the table of errors."""
    table = _new_table(("error", 34), "recent", "since start")
    table.add_column("model", no_wrap=True, overflow="ellipsis")
    for error in errors:
        style = _BAD_STYLE if error.recent else _DIM_STYLE
        table.add_row(
            Text(error.code, style),
            format_amount(error.recent),
            format_amount(error.total),
            error.model or "–",
        )
    return table


def _job_table(jobs: Sequence[JobState], top: TopSnapshot) -> RenderableType:
    """Return the table of jobs, with a warning if its data is stale."""
    if top.platform_age_s is None:
        return Text("Jobs: no data yet.", _DIM_STYLE)
    table = _new_table(("job", 24), "last due", "queued", "running", "failed")
    for job in jobs:
        failed = Text(str(job.failed), _BAD_STYLE if job.failed else "")
        due = "–" if job.due_s is None else f"{format_duration(job.due_s)} ago"
        table.add_row(job.job, due, str(job.waiting), str(job.running), failed)
    if top.platform_age_s < _STALE_S:
        return table
    return Group(
        table,
        Text(f"Job data is {format_duration(top.platform_age_s)} old.", _BAD_STYLE),
    )


def _new_table(first_column: tuple[str, int], *numeric_columns: str) -> Table:
    """Return an empty table with a text column and right-aligned columns."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    name, width = first_column
    table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=width)
    for other in numeric_columns:
        table.add_column(other, justify="right", no_wrap=True)
    return table
