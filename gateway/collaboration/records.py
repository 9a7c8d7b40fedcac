"""The decision record: what was decided on which basis, as one canonical text that is signed.

Inputs and question are in the record by their hashes only, so that it can be shown to others
without them. billing/outcomes/evidence/decision_records.py has the signed message.
"""

import hashlib
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.collaboration.decisions import RECORD_PREFIX, Decision
from infra import ids
from models.arguments import Row

_REQUEST_PREFIX = "req"
_HORIZON_OUTPUTS = ("remaining_life", "basic_rating_time", "forecast")


def record_document(
    decision: Decision, record_id: UUID, parent_id: UUID, subject: str | None, question: str,
    decided_at: datetime,
) -> dict[str, Any]:  # fmt: skip
    """Return a record's content: subject, question, verdict, probability, horizon and basis.

    parent_id: the request id of the client's call; decided_at is UTC.
    """
    first = decision.findings[0]
    return {
        "id": ids.format_id(RECORD_PREFIX, record_id),
        "object": "decision_record",
        "subject": subject,
        "question_sha256": _sha256(question),
        "verdict": decision.verdict.value,
        "probability": first.probability,
        "horizon": _horizon(decision),
        "figures": [
            {
                "name": stated.name,
                "value": list(stated.value) if isinstance(stated.value, tuple) else stated.value,
                "unit": stated.unit,
                "lower": stated.lower,
                "upper": stated.upper,
            }
            for stated in first.figures
        ],
        "rows": len(decision.findings),
        "basis": {
            "model": decision.tool.model,
            "version": decision.tool.version,
            "task": decision.tool.task,
            "request_id": ids.format_id(_REQUEST_PREFIX, decision.prediction.request_id),
            "parent_request_id": ids.format_id(_REQUEST_PREFIX, parent_id),
            "inputs_sha256": inputs_hash(decision.inputs),
            "outside_trained_range": [name for name, _ in first.outside],
            "reasons": list(first.reasons),
        },
        "decided_at": decided_at.isoformat(timespec="milliseconds"),
    }


def canonical_text(document: dict[str, Any]) -> str:
    """Return a record's only text form: sorted keys, no blanks, characters as they are."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def inputs_hash(rows: tuple[Row, ...]) -> str:
    """Return the SHA-256 of the inputs in the columns' units, in their canonical form."""
    values = [{name: one.value for name, one in row.items()} for row in rows]
    return _sha256(json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def _horizon(decision: Decision) -> dict[str, Any] | None:
    """Return until when the decision looks: the first figure that is a time ahead."""
    for stated in decision.findings[0].figures:
        if stated.name in _HORIZON_OUTPUTS and isinstance(stated.value, float):
            unit = stated.unit or ("cycles" if stated.name == "remaining_life" else None)
            return {"value": stated.value, "unit": unit}
    return None


def _sha256(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
