"""Terminal output of `maas models evaluate`: quote, answers, results and comparison."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.cli.results import Record, Report, Table
from gateway.evaluations.views import expected_text
from gateway.tables import EvaluationStatus

_MAX_TEXT = 60
_VERDICTS = {
    "better": "better than {against}",
    "worse": "worse than {against}",
    "no_difference_shown": "no difference to {against} shown",
}
_MARKS = {True: "yes", False: "no", None: ""}
_SUMMARY_COLUMNS = (
    *("model", "correct", "share", "95 % interval", "errors", "refusals", "median", "p95"),
    *("tokens in", "tokens out", "cost", "cost/question"),
)


def quote_report(quote: Mapping[str, Any]) -> Report:
    """Return the quote of a run: questions, the cost of each model and in total."""
    currency = quote["currency"]
    costs = {
        one["model"]: f"{one['min_cost']} to {one['max_cost']} {currency}"
        for one in quote["models"]
    }
    balance = "no limit" if quote["balance"] is None else f"{quote['balance']} {currency}"
    fields = {
        "questions": quote["questions"],
        **costs,
        "most in total": f"{quote['max_cost']} {currency}",
        "available balance": balance,
    }
    if not quote["covered"]:
        fields["note"] = "The limits do not cover the most: the run may end early."
    for number, note in enumerate(quote["notes"], start=1):
        fields[f"note {number}"] = note
    return Report(quote, (Record("Cost of the evaluation:", fields),))


def evaluation_report(run: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Report:
    """Return a run with all questions; exit code 1 if not all of them have a result."""
    names = [result["model"] for result in run["results"]]
    columns = ["question", "expected"]
    for name in names:
        columns += [name, f"{name} correct"]
    sections: list[Record | Table] = [
        Table([_item_row(item) for item in items], (*columns, "cost")),
        Table([_summary_row(result, run) for result in run["results"]], _SUMMARY_COLUMNS),
        Record(_summary_line(run), {}),
    ]
    failed = run["status"] != EvaluationStatus.COMPLETED
    return Report({**run, "items": list(items)}, sections, exit_code=1 if failed else 0)


def _item_row(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a question with the answers as a row."""
    row = {"question": _short(item["question"]), "expected": _short(expected_text(item))}
    costs = []
    for answer in item["answers"]:
        error = answer["error"]
        text = answer["answer"] if error is None else f"error: {error['code']}"
        row[answer["model"]] = _short(text or "")
        row[f"{answer['model']} correct"] = _MARKS[answer["correct"]]
        costs.append(answer["cost"] or "0")
    return {**row, "cost": " + ".join(costs)}


def _summary_row(result: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of one model as a row."""
    low, high = result["share_interval_95"]
    latency = result["latency_ms"]
    return {
        "model": result["model"],
        "correct": f"{result['correct']}/{result['finished']}",
        "share": _percent(result["share_correct"]),
        "95 % interval": f"{_percent(low)} – {_percent(high)}",
        "errors": result["errors"],
        "refusals": result["refusals"],
        "median": _seconds(latency["median"]),
        "p95": _seconds(latency["p95"]),
        "tokens in": result["input_tokens"],
        "tokens out": result["output_tokens"],
        "cost": f"{result['cost']} {run['currency']}",
        "cost/question": result["cost_per_question"],
    }


def _summary_line(run: Mapping[str, Any]) -> str:
    """Return one line with status, cost and comparison."""
    progress = run["progress"]
    line = (
        f"{run['id']}: {run['status']}, {progress['finished']} of {progress['total']} answers, "
        f"{run['cost']} {run['currency']}."
    )
    if run["error"] is not None:
        line += f" {run['error']['message']}"
    comparison = run["comparison"]
    if comparison is None:
        return line
    verdict = _VERDICTS[comparison["verdict"]].format(against=run["against"])
    return (
        f"{line} {run['model']}: {verdict} (only {run['model']} correct: "
        f"{comparison['only_model']}, only {run['against']} correct: "
        f"{comparison['only_against']}, p = {comparison['p_value']:.3g})."
    )


def _short(text: str) -> str:
    """Return a text on one line, cut to the width of a column."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_TEXT else f"{line[: _MAX_TEXT - 1]}…"


def _percent(share: float | None) -> str:
    """Return a share as a percentage with one decimal place."""
    return "–" if share is None else f"{share * 100:.1f} %"


def _seconds(milliseconds: float | None) -> str:
    """Return milliseconds as seconds."""
    return "–" if milliseconds is None else f"{milliseconds / 1000:.2f} s"
