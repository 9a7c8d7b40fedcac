"""A call of a helper as JSON: what was asked, what came of it, its requests and its price."""

from typing import Any

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.money import nano_text
from gateway.collaboration.helpers import Consultation, HelperKind
from infra import ids


def consultation_json(consultation: Consultation, currency: str) -> dict[str, Any]:
    """Return a search or a question to another language model for clients.

    The passages themselves are in the answer's list of passages; `passages` are their numbers.
    """
    helper = consultation.helper
    shared: dict[str, Any] = {
        "object": "consultation",
        "type": helper.kind.value,
        "request_ids": [ids.format_id(REQUEST_ID_PREFIX, one) for one in consultation.request_ids],
        "cost": nano_text(consultation.cost_nano),
        "currency": currency,
        "status": "completed" if consultation.error is None else "failed",
    }
    if consultation.error is not None:
        shared["error"] = {"code": consultation.error_code, "message": consultation.error}
    if helper.kind is HelperKind.SEARCH:
        numbers = [one.number for one in consultation.passages]
        return {**shared, "query": consultation.asked, "passages": numbers}
    asked = {"model": helper.model, "question": consultation.asked}
    return {**shared, **asked, "answer": consultation.answer or None}
