"""Records of the prediction ledger for tests, and contracts that are paid by them."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from billing.outcomes.contracts.prediction_rules import PredictionRules
from billing.outcomes.contracts.terms import AttesterKind, EventEffect
from billing.outcomes.evidence.statements import PREDICTION_PREFIX
from billing.outcomes.predictions.content import (
    AgentVersion,
    Basis,
    NewPrediction,
    PredictionSource,
    PredictionVerdict,
)
from billing.outcomes.predictions.ledger import append_predictions
from billing.outcomes.predictions.model_keys import ModelSigner
from billing.tables import PredictionRecord
from infra import ids
from tests.support.stories.outcome_story import Contract, contract
from tests.support.stories.story import Firm

SIGNER = ModelSigner(b"s" * 32)
MACHINES = ("M1", "M2", "M3", "M4", "M5", "M6", "M7", "M8")
RULES = PredictionRules(
    event="spindle_failure",
    subjects=MACHINES,
    models=("vib",),
    probability_ppm=600_000,
    settle_months=1,
    confidence_ppm=990_000,
    precision_ppm=500_000,
    recall_ppm=500_000,
)
EFFECT = EventEffect(lead_hours=2, window_hours=168, apart_hours=72)


def prediction(at: datetime, **values: Any) -> NewPrediction:
    """A warning by an agent: the spindle of M1 fails within a week, with probability 0.8."""
    usual: dict[str, Any] = {
        "subject": "M1",
        "event": "spindle_failure",
        "verdict": PredictionVerdict.YES,
        "probability_ppm": 800_000,
        "horizon_from": at,
        "horizon_to": at + timedelta(days=7),
        "basis": Basis("vib", PredictionSource.AGENT, "3"),
        "idempotency_key": "k",
        "agent": AgentVersion("pump-monitor", "7"),
    }
    new = NewPrediction(**{**usual, **values})
    if new.idempotency_key != "k":
        return new
    return replace(new, idempotency_key=f"{new.subject} {new.horizon_from.isoformat()}")


async def record(firm: Firm, *new: NewPrediction) -> list[PredictionRecord]:
    """Append predictions at the time of the story's clock."""
    story = firm.story
    async with story.database.transaction() as session:
        return await append_predictions(session, story.clock, SIGNER, firm.account.id, new)


async def record_at(firm: Firm, at: datetime, **values: Any) -> PredictionRecord:
    """Append a prediction that is made at this time; the clock is set back afterwards."""
    clock = firm.story.clock
    now, clock._now = clock.now(), at
    (made,) = await record(firm, prediction(at, **values))
    clock._now = now
    return made


def name_of(row: PredictionRecord) -> str:
    """The record's public id."""
    return ids.format_id(PREDICTION_PREFIX, row.id)


async def predicted_contract(firm: Firm, tag: str = "predicted", **rules: Any) -> Contract:
    """The usual contract with prediction rules, settled every month."""
    attesters = (
        AttesterKind.CUSTOMER_SYSTEM,
        AttesterKind.SIGN_OFF,
        AttesterKind.OUR_MODEL,
    )
    agreed = replace(RULES, **rules)
    return await contract(firm, tag=tag, attesters=attesters, predictions=agreed)
