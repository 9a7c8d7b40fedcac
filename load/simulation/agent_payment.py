"""What agents are billed by the rule of payment, from the answers of their specialist on.

    python -m load.simulation.agent_payment [SEEDS]

One agent a machine ticks daily. The code of the runner turns each answer of the specialist into a
decision by expected cost, and the decision into a record (gateway/agents/running/ledger_record.py).
Contract, outcomes and amount are those of load/simulation/prediction_payment.py.
"""

import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType

from billing.money import PPM
from billing.outcomes.predictions.alarms import Forecast
from gateway.agents.assessment import assess_prediction
from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import read_fields
from load.simulation.prediction_payment import report
from load.simulation.predictors import HALF_YEAR, SUBJECTS, Plant, Predictor
from models.policies.maintenance.policy import Action

Specialist = Callable[[Plant, str, datetime], float]
"""The failure probability of a machine at a time."""

_OUTPUT = "failure_probability"
_DAY, _HORIZON_DAYS = timedelta(days=1), 14
_DEFINITION = check(
    read_fields(
        {
            "name": "Pump",
            "asset": "P-101",
            "every": "1d",
            "prediction": {"model": "failures", "output": _OUTPUT, "horizon": _HORIZON_DAYS},
            "costs": {"planned_stop": 1500, "unplanned_stop": 12_000, "inspection": 120},
        }
    )
)


def agent(specialist: Specialist) -> Predictor:
    """Return the records of agents whose specialist answers so."""

    def predict(plant: Plant) -> list[Forecast]:
        days = (HALF_YEAR.ends_at - HALF_YEAR.starts_at) // _DAY
        times = [HALF_YEAR.starts_at + day * _DAY for day in range(-7, days)]
        return [
            _record(subject, at, specialist(plant, subject, at))
            for subject in SUBJECTS
            for at in times
        ]

    return predict


def constant(probability: float) -> Specialist:
    """Answer always the same."""
    return lambda _plant, _subject, _at: probability


def guess(share: float) -> Specialist:
    """Answer 0.9 at random."""
    return lambda plant, _subject, _at: 0.9 if plant.generator.random() < share else 0.01


def predict_near(recall: float, false_share: float) -> Specialist:
    """Answer 0.85 from ten to two days before a failure that is foreseen, and falsely at random."""

    def answer(plant: Plant, subject: str, at: datetime) -> float:
        for index, failure in enumerate(plant.failures):
            ahead = failure.happened_at - at
            is_near = failure.subject == subject and 2 * _DAY <= ahead <= 10 * _DAY
            # The same failures are foreseen on each day before them.
            if is_near and (index * 37 + 11) % 100 < recall * 100:
                return 0.85
        return 0.85 if plant.generator.random() < false_share else 0.01

    return answer


AGENTS: Mapping[str, Predictor] = MappingProxyType(
    {
        "never warns (0.1 % each day)": agent(constant(0.001)),
        "always warns (95 % each day)": agent(constant(0.95)),
        "always inspects (30 % each day)": agent(constant(0.3)),
        "guesses on 1 % of days": agent(guess(0.01)),
        "guesses on 10 % of days": agent(guess(0.1)),
        "foresees 70 %, false on 0.3 % of days": agent(predict_near(0.7, 0.003)),
        "foresees 90 %, false on 0.1 % of days": agent(predict_near(0.9, 0.001)),
    }
)


def _record(subject: str, at: datetime, probability: float) -> Forecast:
    """Return the record of a tick: a warning if the agent does not wait."""
    verdict = "yes" if _warns(probability) else "no"
    until = at + _HORIZON_DAYS * _DAY
    ppm = round(probability * PPM)
    return Forecast(f"{subject} {at}", subject, at, at, until, verdict, ppm)


@lru_cache(maxsize=1024)
def _warns(probability: float) -> bool:
    """Return whether the agent decides to inspect or stop."""
    step = _DEFINITION.prediction
    assert step is not None  # as the definition above says
    found = assess_prediction(_DEFINITION, step, (), {_OUTPUT: probability})
    return found.action is not Action.WAIT


def main() -> None:
    """Print the table of all agents."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    head = "| agent | paid | skill shown | mean CNY | precision | recall | skill |"
    sys.stdout.write("\n".join([head, "|---|---|---|---|---|---|---|", *report(seeds, AGENTS)]))
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
