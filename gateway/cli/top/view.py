"""How `maas top` looks to a person: within 80 columns, the most pressing first."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.cli.top.snapshot import ErrorState, JobState, ModelState, Top

_BAD, _GOOD, _QUIET = "bold red", "green", "dim"
_LATE_S = 300.0
_OLD_S = 60.0


def view(top: Top, url: str) -> RenderableType:
    """Everything, one part below the other."""
    parts: list[RenderableType] = [_health(top, url), _traffic(top), Text()]
    parts.append(_models(top.models))
    if top.errors:
        parts += [Text(), _errors(top.errors)]
    parts += [Text(), _jobs(top.jobs, top)]
    return Group(*parts)


def amount(value: float) -> str:
    """With as many digits as tell something."""
    if value == 0:
        return "0"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def money(spend: Mapping[str, float]) -> str:
    return ", ".join(f"{amount(value)} {currency}" for currency, value in sorted(spend.items()))


def _health(top: Top, url: str) -> Text:
    text = Text(f"{url}  ", no_wrap=True, overflow="ellipsis")
    troubles = [
        name
        for name, bad in (
            ("no database", not top.ready.get("database", True)),
            ("models missing", not top.ready.get("models", True)),
            ("rows not written", top.records_failing),
            ("no worker", not top.workers),
            (f"{top.differences} records differ", top.differences > 0),
        )
        if bad
    ]
    text.append(", ".join(troubles) or "all well", _BAD if troubles else _GOOD)
    return text


def _traffic(top: Top) -> Table:
    rows = (
        ("calls/s", amount(top.calls), "p50", duration(top.p50), "in flight", str(top.running)),
        ("tokens/s", amount(top.tokens), "p95", duration(top.p95), "waiting", str(top.waiting)),
        (
            "spend/min",
            money(top.spend) or "0",
            "first token p95",
            duration(top.first_token_p95),
            "given up",
            str(top.outside_failed),
        ),
    )
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*(Text(one, "bold" if n % 2 else _QUIET) for n, one in enumerate(row)))
    return table


def _models(models: Sequence[ModelState]) -> Table:
    table = _table(("model", 24), "up", "calls/s", "tok/s", "p50", "p95", "wait", "spend/min")
    for one in models:
        up = Text("?", _QUIET) if one.up is None else Text("up" if one.up else "DOWN")
        up.stylize(_GOOD if one.up else _BAD if one.up is False else _QUIET)
        figures = (amount(one.calls), amount(one.tokens), duration(one.p50), duration(one.p95))
        table.add_row(one.model, up, *figures, str(one.waiting), money(one.spend))
    return table


def _errors(errors: Sequence[ErrorState]) -> Table:
    table = _table(("error", 34), "now", "since start")
    table.add_column("model", no_wrap=True, overflow="ellipsis")
    for one in errors:
        style = _BAD if one.recent else _QUIET
        table.add_row(
            Text(one.code, style), amount(one.recent), amount(one.total), one.model or "–"
        )
    return table


def _jobs(jobs: Sequence[JobState], top: Top) -> RenderableType:
    if top.platform_age_s is None:
        return Text("Jobs: the gateway has not asked the database yet.", _QUIET)
    table = _table(("job", 24), "due ago", "waits", "runs", "failed")
    for one in jobs:
        failed = Text(str(one.failed), _BAD if one.failed else "")
        due = duration(one.due_s)
        table.add_row(one.job, due, str(one.waiting), str(one.running), failed)
    if top.platform_age_s < _OLD_S:
        return table
    return Group(table, Text(f"The database was asked {duration(top.platform_age_s)} ago.", _BAD))


def _table(first: tuple[str, int], *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    name, width = first
    table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=width)
    for other in others:
        table.add_column(other, justify="right", no_wrap=True)
    return table
