"""What decisions by costs would have cost on held-out rows, next to simpler rules."""

import numpy as np

from models.adaptation import DecisionCosts
from models.decisions.rule import NO_ACTION, CostTable, Flags, Floats, Indices, actual_costs, decide
from models.sentences import Sentence, listing, sentence

_HALF = 0.5
_PER = 100


def compare_costs(probabilities: Floats, occurred: Flags, costs: CostTable) -> DecisionCosts:
    """Return the costs per 100 decisions on rows whose events are known, [rows, events] each.

    `always` acts on the one event for which that costs least.
    """
    rows = len(probabilities)
    always = [
        _per_hundred(np.full(rows, event), occurred, costs) for event in range(occurred.shape[1])
    ]
    return DecisionCosts(
        decisions=rows,
        thresholds=tuple(float(threshold) for threshold in costs.thresholds),
        at_thresholds=_per_hundred(decide(probabilities, costs).chosen, occurred, costs),
        at_half=_per_hundred(_above_half(probabilities), occurred, costs),
        always=min(always),
        never=_per_hundred(np.full(rows, NO_ACTION), occurred, costs),
    )


def describe_costs(names: tuple[str, ...], costs: DecisionCosts) -> Sentence:
    """Return the sentence on what decisions cost on held-out rows; `names` are of the events."""
    thresholds = listing(
        [
            sentence("{event} from {threshold:.1%}", event=name, threshold=threshold)
            for name, threshold in zip(names, costs.thresholds, strict=True)
        ]
    )
    best = min(costs.always, costs.never)
    is_beaten = costs.at_thresholds >= best
    verdict = sentence(" The model does not beat the cheaper fixed rule.") if is_beaten else ""
    return sentence(
        "By the stated costs, act on {thresholds} probability. On {rows} held-out rows 100 "
        "decisions would have cost {cost:.4g}, at a probability of 50 % {at_half:.4g}, acting "
        "always {always:.4g}, never {never:.4g}.{verdict}",
        thresholds=thresholds,
        rows=costs.decisions,
        cost=costs.at_thresholds,
        at_half=costs.at_half,
        always=costs.always,
        never=costs.never,
        verdict=verdict,
    )


def _above_half(probabilities: Floats) -> Indices:
    """Return the event with a probability above one half, NO_ACTION if none has it."""
    likely = probabilities.argmax(axis=1)
    is_likely = probabilities[np.arange(len(likely)), likely] > _HALF
    return np.where(is_likely, likely, NO_ACTION)


def _per_hundred(chosen: Indices, occurred: Flags, costs: CostTable) -> float:
    """Return the mean cost of decisions, times 100."""
    return float(actual_costs(chosen, occurred, costs).mean() * _PER)
