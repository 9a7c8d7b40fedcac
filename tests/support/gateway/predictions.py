"""A prediction record of a gateway's account, appended through its API."""

from datetime import timedelta
from typing import Any

from billing.outcomes.evidence.statements import PREDICTION_PREFIX
from billing.outcomes.predictions.ledger import append_predictions
from billing.outcomes.predictions.model_keys import ModelSigner
from infra import ids
from tests.support.builders import Gateway
from tests.support.outcomes.predictions import prediction


async def add_prediction(gateway: Gateway, **values: Any) -> str:
    """Append a record as an agent does; returns its public id."""
    parts = gateway.parts
    new = prediction(parts.clock.now(), **values)
    signer = ModelSigner(parts.pepper)
    async with parts.database.transaction() as session:
        (row,) = await append_predictions(session, parts.clock, signer, gateway.account.id, [new])
    return ids.format_id(PREDICTION_PREFIX, row.id)


def body(at: Any, **values: Any) -> dict[str, Any]:
    """A record as a program of the account sends it."""
    usual = {
        "subject": "M1",
        "event": "spindle_failure",
        "from": at.isoformat(),
        "to": (at + timedelta(days=7)).isoformat(),
        "model": "vib",
        "verdict": "yes",
        "probability": 0.8,
    }
    return {**usual, **values}
