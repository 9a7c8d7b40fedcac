"""How a trained model decides by costs: those of its training, or those that a call states."""

from typing import Protocol

import msgspec
import numpy as np

from models.decisions.costs import (
    ClassCost,
    LimitCosts,
    Side,
    class_costs,
    limit_costs,
    parse_costs,
)
from models.decisions.error_distribution import ErrorDistribution
from models.decisions.rule import CostTable, Floats, decide
from models.signature import BYTES, Columns, OutputField

ACT, NO_ACTION_WORD = "act", "no_action"
_WORDS = np.array([NO_ACTION_WORD, ACT], dtype=object)
_DECISION = OutputField("decision", BYTES, description=f"`{ACT}` or `{NO_ACTION_WORD}`, by costs")
_THRESHOLD = OutputField("threshold", "FP32", "1", "The probability above which to act")
_EXPECTED = OutputField("expected_cost", "FP32", None, "Of the decision, in the unit of the costs")


WIDENING = "widening"
"""The column of a model's results, none of its outputs, that says how many times larger the errors
of each row are than those of training, as the interval is. Without it they are as large."""


def decision_outputs(decider: "Decider | None") -> tuple[OutputField, ...]:
    """Return the outputs of decisions by the costs of the training, none if it had no costs."""
    return () if decider is None or not decider.has_costs else decider.outputs


class Decider(Protocol):
    """Decides on the results of a model."""

    @property
    def has_costs(self) -> bool:
        """Whether costs are known."""
        ...

    @property
    def outputs(self) -> tuple[OutputField, ...]:
        """The outputs that decisions add to those of the model."""
        ...

    @property
    def event_names(self) -> tuple[str, ...]:
        """What can be acted on, in words, in the order of the costs."""
        ...

    def with_costs(self, stated: object, path: str) -> "Decider":
        """Return the decider with costs from JSON, stated at `path`. Raises CostsInvalid."""
        ...

    def decide(self, results: Columns) -> Columns:
        """Return the outputs of the decisions on a model's results; costs must be known."""
        ...


class ClassDecider(msgspec.Struct, frozen=True, tag="class"):
    """Decides which class of a row to act on.

    rarest: the position of the class with the fewest rows in training; of two classes, it is the
    one that a pair of costs without a class applies to.
    """

    classes: tuple[str, ...]
    rarest: int
    costs: tuple[ClassCost, ...] = ()

    @property
    def has_costs(self) -> bool:
        """Whether costs are known."""
        return bool(self.costs)

    @property
    def outputs(self) -> tuple[OutputField, ...]:
        """The outputs that decisions add to those of the model."""
        about = OutputField("act_on", BYTES, description="The class that the decision is about")
        return (_DECISION, about, _THRESHOLD, _EXPECTED)

    @property
    def event_names(self) -> tuple[str, ...]:
        """The classes with costs, in their order."""
        return tuple(self.classes[cost.index] for cost in self.costs)

    @property
    def table(self) -> CostTable:
        """The costs as arrays, in the order of `costs`."""
        pairs = [cost.pair for cost in self.costs]
        return CostTable(
            np.array([pair.false_alarm for pair in pairs]), np.array([pair.miss for pair in pairs])
        )

    def with_costs(self, stated: object, path: str) -> "ClassDecider":
        """Return the decider with costs from JSON, stated at `path`. Raises CostsInvalid."""
        costs = class_costs(parse_costs(stated, path), self.classes, self._usual, path)
        return msgspec.structs.replace(self, costs=costs)

    def decide(self, results: Columns) -> Columns:
        """Return the outputs of the decisions on probabilities of the classes, [rows, classes]."""
        of_events = self.event_probabilities(np.asarray(results["probabilities"], dtype=np.float64))
        decisions = decide(of_events, self.table)
        names = np.array([self.classes[cost.index] for cost in self.costs], dtype=object)
        return {
            "decision": _WORDS[decisions.acts.astype(np.intp)],
            "act_on": names[decisions.considered],
            "threshold": self.table.thresholds[decisions.considered].astype(np.float32),
            "expected_cost": decisions.expected_cost.astype(np.float32),
        }

    def event_probabilities(self, probabilities: Floats) -> Floats:
        """Return the probabilities of the classes with costs, [rows, events]."""
        return np.asarray(probabilities[:, [cost.index for cost in self.costs]])

    @property
    def _usual(self) -> str | None:
        """The class that a pair of costs applies to if it names none; None if that is unclear."""
        if len(self.costs) == 1:
            return self.classes[self.costs[0].index]
        return self.classes[self.rarest] if len(self.classes) == 2 else None


class LimitDecider(msgspec.Struct, frozen=True, tag="limit"):
    """Decides whether to act on a number beyond a limit.

    side: where a value calls for action unless stated. highest: values are not told apart from
    there on, None if they all are.
    """

    errors: ErrorDistribution
    side: Side
    unit: str | None = None
    highest: float | None = None
    costs: LimitCosts | None = None

    @property
    def has_costs(self) -> bool:
        """Whether costs are known."""
        return self.costs is not None

    @property
    def outputs(self) -> tuple[OutputField, ...]:
        """The outputs that decisions add to those of the model."""
        limit = OutputField("limit", "FP32", self.unit, "The value beyond which action is needed")
        beyond = OutputField(
            "limit_probability", "FP32", "1", "Probability that the true value is beyond the limit"
        )
        return (_DECISION, limit, beyond, _THRESHOLD, _EXPECTED)

    @property
    def event_names(self) -> tuple[str, ...]:
        """The limit in words, none if no costs are known."""
        if self.costs is None:
            return ()
        unit = f" {self.unit}" if self.unit else ""
        return (f"{self.costs.side.value} {self.costs.limit:g}{unit}",)

    @property
    def table(self) -> CostTable:
        """The costs as arrays of one event, none if no costs are known."""
        pairs = [] if self.costs is None else [self.costs.pair]
        return CostTable(
            np.array([pair.false_alarm for pair in pairs]), np.array([pair.miss for pair in pairs])
        )

    def with_costs(self, stated: object, path: str) -> "LimitDecider":
        """Return the decider with costs from JSON, stated at `path`. Raises CostsInvalid."""
        parsed = parse_costs(stated, path)
        costs = limit_costs(parsed, self.costs, self.side, self.highest, path)
        return msgspec.structs.replace(self, costs=costs)

    def decide(self, results: Columns) -> Columns:
        """Return the outputs of the decisions on predicted values, [rows]."""
        predicted = np.asarray(results["value"], dtype=np.float64)
        beyond = self.event_probabilities(predicted, results.get(WIDENING))
        decisions = decide(beyond, self.table)
        limit = np.nan if self.costs is None else self.costs.limit
        return {
            "decision": _WORDS[decisions.acts.astype(np.intp)],
            "limit": np.full(len(predicted), limit, dtype=np.float32),
            "limit_probability": beyond[:, 0].astype(np.float32),
            "threshold": np.full(len(predicted), self.table.thresholds[0], dtype=np.float32),
            "expected_cost": decisions.expected_cost.astype(np.float32),
        }

    def event_probabilities(self, predicted: Floats, widening: Floats | None = None) -> Floats:
        """Return the probabilities that true values lie beyond the limit, [rows, 1].

        widening: how many times larger the errors are than those of training, [rows].
        """
        if self.costs is None:
            return np.empty((len(predicted), 0))
        below = self.errors.below(predicted, self.costs.limit, widening)
        beyond = below if self.costs.side is Side.BELOW else 1.0 - below
        return np.asarray(beyond[:, np.newaxis])
