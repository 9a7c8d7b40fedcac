"""Scores of each agent in a prediction period, for the statement; they do not decide on payment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from billing.outcomes.predictions.alarms import ObservedEvent, Period
from billing.outcomes.predictions.assessment import policy_of, requirements_of
from billing.outcomes.predictions.scores import Scores, score
from billing.outcomes.predictions.support import forecast_of, is_revoked
from billing.outcomes.predictions.tokens import ParsedRecord
from billing.outcomes.settlement.prediction_assessment import AssessedPeriod


@dataclass(frozen=True, slots=True)
class AgentScores:
    """The scores of an agent's records, against the events of the subjects that it predicted."""

    agent: str
    scores: Scores


def score_agents(assessed: AssessedPeriod) -> list[AgentScores]:
    """Return the scores of the agents that made records of a period, by id."""
    by_agent: dict[str, list[ParsedRecord]] = {}
    for record in assessed.records.values():
        if record.payload.agent is not None:
            by_agent.setdefault(record.payload.agent.id, []).append(record)
    invalid_from = {one.kid: one.invalid_from for one in assessed.period.keys}
    return [
        AgentScores(agent, _scores(assessed, records, invalid_from))
        for agent, records in sorted(by_agent.items())
    ]


def _scores(
    assessed: AssessedPeriod,
    records: list[ParsedRecord],
    invalid_from: Mapping[str, datetime | None],
) -> Scores:
    """Return the scores of records under the rules of their period."""
    period = assessed.period
    return score(
        policy_of(assessed.rules, assessed.effect),
        requirements_of(assessed.rules),
        sorted({one.payload.subject for one in records}),
        Period(period.starts_at, period.ends_at),
        [
            forecast_of(one.payload, supports=not is_revoked(one, invalid_from.get(one.kid)))
            for one in records
        ],
        [ObservedEvent(one.id, one.subject, one.happened_at) for one in period.events],
        period.ends_at,
    )
