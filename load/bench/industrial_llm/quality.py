"""How good the answers are, as `metrics.json` holds them, beside the bars."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load.bench.industrial_llm.training import FAULTS, UNSEEN, WITH_FMC
from models.industrial_llm.evaluate import METRICS, pool_runs

BASE = "base, 5 shots"
_GONE = "token_error_reduction"


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure and what it should be at least; `beside` is the adapter that has it, where that is
    not the one that is sold."""

    what: str
    task: str
    source: str
    figure: str
    least: float
    beside: tuple[str, ...] = ()


def bars() -> tuple[Bar, ...]:
    """The table's lines."""
    unseen = tuple(
        Bar(
            f"words' errors gone, company {one.name[-1]}, never seen",
            "plain_text",
            f"maintnorm/{one.name[-1]}",
            _GONE,
            0.60,
            (one.name,),
        )
        for one in UNSEEN
    )
    folds = tuple(one.name for one in FAULTS)
    return (
        Bar("FMC's failure modes, never learned", "failure_mode", "fmc", "accuracy", 0.72),
        Bar(
            "FMC's failure modes, a layer that learned them", "failure_mode", "fmc", "accuracy",
            0.72, (WITH_FMC.name,),
        ),
        Bar("words' errors gone, company a", "plain_text", "maintnorm/a", _GONE, 0.85),
        Bar("words' errors gone, company b", "plain_text", "maintnorm/b", _GONE, 0.85),
        *unseen,
        Bar("MaintIE's entities, five classes", "extraction", "maintie", "entity_f1", 0.70),
        Bar("fault to system, ten folds", "fault_system", "camb_faults", "accuracy", 0.50, folds),
        Bar("tool of 200 requests", "tool_choice", "own_requests", "accuracy", 0.90),
        Bar("valid JSON, entities", "extraction", "maintie", "valid_json", 1.0),
        Bar("valid JSON, severity, hydraulics", "severity", "Hydraulic System", "valid_json", 1.0),
        Bar("valid JSON, severity, power frame", "severity", "Power Frame", "valid_json", 1.0),
        Bar("valid JSON, tools", "tool_choice", "own_requests", "valid_json", 1.0),
    )  # fmt: skip


def table(sold: str, path: Path = METRICS) -> list[str]:
    """In Markdown; a figure that was not measured is a dash."""
    metrics = json.loads(path.read_text("utf-8"))
    head = [f"| what | {sold} | its base, 5 shots | bar | held |", "|---|---|---|---|---|"]
    return [*head, *(_row(metrics, one, sold) for one in bars())]


def _row(metrics: Mapping[str, Any], bar: Bar, sold: str) -> str:
    figure = _figure(metrics, bar.beside or (sold,), bar)
    held = "–" if figure is None else "yes" if figure >= bar.least else "**no**"
    figures = f"{_shown(figure)} | {_shown(_figure(metrics, (BASE,), bar))}"
    return f"| {bar.what} | {figures} | {bar.least:.0%} | {held} |"


def _figure(metrics: Mapping[str, Any], names: tuple[str, ...], bar: Bar) -> float | None:
    """Of several runs as of one; None where one of them was not measured."""
    try:
        return pool_runs(metrics, names, bar.task, bar.source)[bar.figure]
    except KeyError:
        return None


def _shown(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.1%}"
