"""A verdict on an asset as pages show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.tables import Usage
from gateway.collaboration.decisions import RECORD_PREFIX
from gateway.tables.plant_verdicts import PlantVerdict
from infra import ids
from models.findings.sentences import name_of, number_text

_KINDS: Mapping[str, str] = {"yes": "bad", "uncertain": "warn", "no": "good"}
_MAX_OUTPUTS = 6


@dataclass(frozen=True, slots=True)
class VerdictView:
    """A verdict: what it says (`verdict` with the badge `kind`, `text`), by which model, its call.

    `cost_nano` is None if the call has no usage row.
    """

    at: datetime
    model: str
    version: str
    verdict: str
    kind: str
    text: str
    request_id: str
    record_id: str | None
    cost_nano: int | None
    inputs: list[dict[str, Any]]


def verdict_view(row: PlantVerdict, usage: Mapping[UUID, Usage], language: str) -> VerdictView:
    """Return a verdict for a page in a language, `en` or `zh`; `usage` are rows by request id."""
    finding, call = row.finding, usage.get(row.request_id)
    verdict = str(finding.get("verdict", ""))
    record_id = row.decision_record_id
    return VerdictView(
        at=row.at,
        model=row.model,
        version=row.version,
        verdict=verdict,
        kind=_KINDS.get(verdict, "info"),
        text=finding_text(finding, language) or outputs_text(row.prediction, language),
        request_id=ids.format_id(REQUEST_ID_PREFIX, row.request_id),
        record_id=None if record_id is None else ids.format_id(RECORD_PREFIX, record_id),
        cost_nano=None if call is None else call.cost_nano,
        inputs=row.inputs,
    )


def finding_text(finding: Mapping[str, Any], language: str) -> str:
    """Return main figure with interval, and probability; empty without them."""
    parts = []
    if "name" in finding:
        value = finding["value"]
        text = value if isinstance(value, str) else number_text(value)
        if (unit := finding.get("unit")) and unit != "1":
            text = f"{text} {unit}"
        if interval := finding.get("interval"):
            text = f"{text} ({number_text(interval[0])} – {number_text(interval[1])})"
        parts.append(f"{name_of(finding['name'], language)} {text}")
    if "probability" in finding:
        parts.append(f"{finding['probability'] * 100:.1f} %")
    return " · ".join(parts)


def outputs_text(prediction: Mapping[str, Any], language: str) -> str:
    """Return the first outputs of a prediction that are numbers or texts."""
    shown = [
        f"{name_of(name, language)} {value if isinstance(value, str) else number_text(value)}"
        for name, value in prediction.items()
        if isinstance(value, int | float | str)
    ]
    return " · ".join(shown[:_MAX_OUTPUTS])
