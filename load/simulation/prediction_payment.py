"""What predictors are billed by the rule of payment: contract, records, outcomes, settlement.

    python -m load.simulation.prediction_payment [SEEDS]

Each seed is half a year of a plant with 20 failures. The records of a predictor are put into an
evidence bundle with a confirmed outcome for each failure that a record covers; the amount is that
of the settlement (billing/outcomes/settlement/replay.py).
"""

import sys
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from billing.outcomes.contracts.contract_file import parse_contract_toml
from billing.outcomes.contracts.terms import EventEffect, OutcomeTerms
from billing.outcomes.predictions.alarms import Forecast, alarm_of
from billing.outcomes.predictions.assessment import Assessment, policy_of
from billing.outcomes.predictions.content import (
    AgentVersion,
    Basis,
    NewPrediction,
    PredictionSource,
    PredictionVerdict,
    content_json,
    instant_text,
)
from billing.outcomes.predictions.tokens import GENESIS, sign_record
from billing.outcomes.settlement.bundle import (
    FORMAT_VERSION,
    BundleObserved,
    BundleOutcome,
    BundlePredictionPeriod,
    BundleVersion,
    EvidenceBundle,
)
from billing.outcomes.settlement.prediction_assessment import assess_periods
from billing.outcomes.settlement.replay import compute_result
from load.simulation.predictors import (
    HALF_YEAR,
    NO_SKILL,
    SKILLED,
    SUBJECTS,
    Plant,
    Predictor,
    simulate_plant,
)

FAILURES = 20
_CONTRACT = f"""
contract = "pumps"
names = {{ en = "Pumps", zh = "水泵" }}
currency = "CNY"
effect = "A predicted failure."
meter = "Work orders"
attesters = ["customer_system"]
time_zone = "UTC"
starts_at = 2027-01-01T00:00:00
cap = "1000000.00"
deadlines = {{ dispute_days = 14, answer_days = 10, reversal_days = 30 }}
event = {{ lead_hours = 24, window_hours = 336, apart_hours = 336 }}
price = {{ price = "1800.00" }}
[predictions]
event = "pump_failure"
subjects = {list(SUBJECTS)}
models = ["failures"]
probability = "60"
"""
TERMS = parse_contract_toml(_CONTRACT)
_VERSION = "00000000000000000000000000000001"


def billed_amount(seed: int, predictor: Predictor) -> tuple[int, Assessment]:
    """Return what half a year costs in minor units, and the figures of the assessment."""
    plant = simulate_plant(seed, FAILURES)
    bundle = _bundle(plant, predictor(plant))
    return compute_result(bundle).minor, assess_periods(bundle)[0].assessment


def _bundle(plant: Plant, forecasts: list[Forecast]) -> EvidenceBundle:
    """Return the evidence bundle of a period, with unsigned records."""
    ids = {one.id: f"pred_{at:032x}" for at, one in enumerate(forecasts)}
    outcomes = []
    for failure in plant.failures:
        name = _covering(TERMS, forecasts, failure.subject, failure.happened_at)
        if name is not None:
            outcomes.append(_outcome(failure.id, failure.subject, failure.happened_at, ids[name]))
    period = BundlePredictionPeriod(
        version=_VERSION,
        starts_at=HALF_YEAR.starts_at,
        ends_at=HALF_YEAR.ends_at,
        records=tuple(_token(ids[one.id], one) for one in forecasts),
        keys=(),
        events=tuple(
            BundleObserved(one.id, one.subject, one.happened_at, "") for one in plant.failures
        ),
    )
    text = TERMS.canonical_json().decode()
    return EvidenceBundle(
        format=FORMAT_VERSION,
        settlement="oset",
        account="acct",
        contract="octr",
        tag=TERMS.tag,
        currency=TERMS.currency,
        time_zone="UTC",
        starts_at=HALF_YEAR.starts_at,
        ends_at=HALF_YEAR.ends_at,
        share="1",
        version=_VERSION,
        versions=(BundleVersion(_VERSION, 1, HALF_YEAR.starts_at, None, text),),
        list_terms=None,
        use=(),
        outcomes=tuple(outcomes),
        evidence=(),
        measured=(),
        predictions=(period,),
    )


def _covering(
    terms: OutcomeTerms, forecasts: list[Forecast], subject: str, at: datetime
) -> str | None:
    """Return the id of the first record that covers an event, None if none does."""
    assert terms.predictions is not None  # as the contract above says
    assert isinstance(terms.kind, EventEffect)
    policy = policy_of(terms.predictions, terms.kind)
    for one in forecasts:
        alarm = alarm_of(policy, one) if one.subject == subject else None
        if alarm is not None and alarm.covers(at):
            return one.id
    return None


def _outcome(key: str, subject: str, at: datetime, prediction: str) -> BundleOutcome:
    """Return a confirmed outcome that cites a record."""
    return BundleOutcome(
        key, key, subject, at, at, _VERSION, "customer_system", at, "", None, (), prediction
    )


def _token(name: str, forecast: Forecast) -> str:
    """Return a record as a token whose signature nobody made."""
    new = NewPrediction(
        forecast.subject,
        "pump_failure",
        PredictionVerdict(forecast.verdict),
        forecast.probability_ppm,
        forecast.since,
        forecast.until,
        Basis("failures", PredictionSource.AGENT),
        name,
        agent=AgentVersion("simulated", "1"),
    )
    added = {
        "id": name,
        "account": "acct",
        "position": 1,
        "previous": GENESIS,
        "recorded_at": instant_text(forecast.recorded_at),
    }
    return sign_record({**content_json(new), **added}, "none", lambda _: "AAAA")


def report(seeds: int, predictors: Mapping[str, Predictor]) -> list[str]:
    """Return a table row for each predictor: seeds paid, mean amount and mean figures."""
    rows = []
    for name, predictor in predictors.items():
        results = [billed_amount(seed, predictor) for seed in range(seeds)]
        paid = sum(minor > 0 for minor, _ in results)
        mean = sum(minor for minor, _ in results) / seeds / 100
        figures = [
            sum(getattr(one, field) for _, one in results) / seeds / 1_000_000
            for field in ("precision_ppm", "recall_ppm", "skill_ppm")
        ]
        by_skill = sum("skill" not in one.failed for _, one in results)
        rows.append(
            f"| {name} | {paid} of {seeds} | {by_skill} | {mean:,.0f} | "
            + " | ".join(f"{figure:.2f}" for figure in figures)
            + " |"
        )
    return rows


def main() -> None:
    """Print the table of all predictors."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    table = MappingProxyType({**NO_SKILL, **SKILLED})
    head = "| predictor | paid | skill shown | mean CNY | precision | recall | skill |"
    sys.stdout.write("\n".join([head, "|---|---|---|---|---|---|---|", *report(seeds, table)]))
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
