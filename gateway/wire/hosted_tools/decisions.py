"""A decision as JSON: verdict, figures with intervals, reasons, inputs, model and price."""

from typing import Any

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.money import nano_text
from gateway.collaboration.decisions import RECORD_PREFIX, Decision
from infra import ids
from models.arguments import Reading, Row
from models.findings import Finding, Stated

_MAX_ROWS = 100
_MAX_SERIES = 20


def decision_json(decision: Decision, currency: str) -> dict[str, Any]:
    """Return a decision for clients; series of inputs are shown by their length."""
    prediction, tool = decision.prediction, decision.tool
    shared = {
        "object": "decision",
        "id": None
        if decision.record_id is None
        else ids.format_id(RECORD_PREFIX, decision.record_id),
        "model": tool.model,
        "version": tool.version,
        "task": tool.task,
        "request_id": ids.format_id(REQUEST_ID_PREFIX, prediction.request_id),
        "cost": nano_text(prediction.cost_nano),
        "currency": currency,
    }
    if prediction.error is not None:
        error = {"code": prediction.error_code, "message": prediction.error}
        return {**shared, "status": "failed", "verdict": None, "error": error}
    rows = [
        {"inputs": inputs_json(row), **finding_json(finding)}
        for row, finding in zip(decision.inputs, decision.findings, strict=False)
    ][:_MAX_ROWS]
    first = rows[0] if len(rows) == 1 else {"rows": rows}
    return {**shared, "status": "completed", **first, "verdict": decision.verdict.value}


def finding_json(finding: Finding) -> dict[str, Any]:
    """Return a finding of one row."""
    return {
        "verdict": finding.verdict.value,
        "decided": finding.decided.value,
        "probability": finding.probability,
        "figures": [_stated_json(stated) for stated in finding.figures],
        "reasons": list(finding.reasons),
        "outside_trained_range": [
            {"column": name, "trained": span or None} for name, span in finding.outside
        ],
    }


def inputs_json(row: Row) -> dict[str, Any]:
    """Return the inputs of a row: value, what the person wrote, and where it comes from."""
    return {name: _reading_json(reading) for name, reading in row.items()}


def _reading_json(reading: Reading) -> dict[str, Any]:
    """Return one input; a long series is shown by its length."""
    value: Any = reading.value
    if isinstance(value, tuple):
        value = list(value) if len(value) <= _MAX_SERIES else f"{len(value)} values"
    return {"value": value, "text": reading.text, "source": reading.source.value}


def _stated_json(stated: Stated) -> dict[str, Any]:
    """Return one figure with its unit and interval."""
    value: Any = list(stated.value) if isinstance(stated.value, tuple) else stated.value
    interval = None if stated.lower is None else [stated.lower, stated.upper]
    return {"name": stated.name, "value": value, "unit": stated.unit, "interval": interval}
