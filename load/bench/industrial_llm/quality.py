"""The quality of answers from `metrics.json`, compared with minimum values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load.bench.industrial_llm.training import FAULT_FOLDS, UNSEEN, WITH_FMC
from models.industrial_llm.evaluate import METRICS, pool_runs

BASE = "base, 5 shots"
_REDUCTION = "token_error_reduction"


@dataclass(frozen=True, slots=True)
class Minimum:
    """A metric and its minimum; `extra_runs` are the adapters that have it, if not the sold one."""

    what: str
    task: str
    source: str
    metric: str
    least: float
    extra_runs: tuple[str, ...] = ()


def bars() -> tuple[Minimum, ...]:
    """Return the rows of the table."""
    unseen = tuple(
        Minimum(
            f"words' errors gone, company {one.name[-1]}, never seen",
            "plain_text",
            f"maintnorm/{one.name[-1]}",
            _REDUCTION,
            0.80,
            (one.name,),
        )
        for one in UNSEEN
    )
    folds = tuple(one.name for one in FAULT_FOLDS)
    return (
        Minimum("FMC's failure modes, never learned", "failure_mode", "fmc", "accuracy", 0.72),
        Minimum(
            "FMC's failure modes, a layer that learned them", "failure_mode", "fmc", "accuracy",
            0.72, (WITH_FMC.name,),
        ),
        Minimum("words' errors gone, company a", "plain_text", "maintnorm/a", _REDUCTION, 0.85),
        Minimum("words' errors gone, company b", "plain_text", "maintnorm/b", _REDUCTION, 0.85),
        *unseen,
        Minimum("MaintIE's entities, five classes", "extraction", "maintie", "entity_f1", 0.70),
        Minimum(
            "fault to system, ten folds", "fault_system", "camb_faults", "accuracy", 0.50, folds
        ),
        Minimum("tool of 200 requests", "tool_choice", "own_requests", "accuracy", 0.95),
        Minimum(
            "the same with all arguments", "tool_choice", "own_requests", "with_arguments", 0.90
        ),
        Minimum("valid JSON, entities", "extraction", "maintie", "valid_json", 1.0),
        Minimum(
            "valid JSON, severity, hydraulics", "severity", "Hydraulic System", "valid_json", 1.0
        ),
        Minimum("valid JSON, severity, power frame", "severity", "Power Frame", "valid_json", 1.0),
        Minimum("valid JSON, tools", "tool_choice", "own_requests", "valid_json", 1.0),
    )  # fmt: skip


def render_table(sold: str, path: Path = METRICS) -> list[str]:
    """Render the table in Markdown; metrics that were not measured are a dash."""
    metrics = json.loads(path.read_text("utf-8"))
    head = [f"| what | {sold} | its base, 5 shots | bar | held |", "|---|---|---|---|---|"]
    return [*head, *(_row(metrics, one, sold) for one in bars())]


def _row(metrics: Mapping[str, Any], bar: Minimum, sold: str) -> str:
    metric = _metric(metrics, bar.extra_runs or (sold,), bar)
    held = "–" if metric is None else "yes" if metric >= bar.least else "**no**"
    figures = f"{_percent(metric)} | {_percent(_metric(metrics, (BASE,), bar))}"
    return f"| {bar.what} | {figures} | {bar.least:.0%} | {held} |"


def _metric(metrics: Mapping[str, Any], names: tuple[str, ...], bar: Minimum) -> float | None:
    """Return the metric, pooled over several runs, or None if one of them was not measured."""
    try:
        return pool_runs(metrics, names, bar.task, bar.source)[bar.metric]
    except KeyError:
        return None


def _percent(metric: float | None) -> str:
    return "–" if metric is None else f"{metric:.1%}"
