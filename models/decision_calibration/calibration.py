"""Fitted calibrations of language models for typed questions, and their use.

probability = (1 - equal_share) * softmax((scores - prior_weight * prior) / temperature)
              + equal_share / options

with a bias for `true` in predicates. The prior are the scores of the same question about an empty
input: what the model answers whatever the input says (Zhao et al. 2021, Calibrate Before Use). The
equal share covers mistakes that happen however sure the model is, which a temperature alone would
cover by doubting all its answers. One file of `fitted/` per model, written by
`python -m models.decision_calibration.calibrate`.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from models.catalog import Model
from models.decision_calibration.questions import QuestionKind
from models.decision_calibration.scoring import Scores

FITTED = Path(__file__).with_name("fitted")


class TypeCalibration(msgspec.Struct, frozen=True):
    """The calibration of one type of question, fitted on `questions` labelled ones.

    `bias` is added to the log-odds of a predicate and is 0 for other types. The prior need not be
    asked for with a `prior_weight` of 0. `equal_share` is from 0 to 1.
    """

    temperature: float
    bias: float = 0.0
    questions: int = 0
    prior_weight: float = 0.0
    equal_share: float = 0.0


class ModelCalibration(msgspec.Struct, frozen=True):
    """The calibrations of the model with these weights, and where they come from.

    `weights` is the model's weights_key; `provenance` names the data, the date and the command.
    """

    weights: str
    by_kind: dict[QuestionKind, TypeCalibration]
    provenance: dict[str, str]


Calibrations = Mapping[str, ModelCalibration]
"""Calibrations by the weights that they were fitted for."""
UNCALIBRATED = TypeCalibration(1.0)
_FILE = msgspec.json.Decoder(ModelCalibration)


class CalibrationInvalid(ValueError):
    """A file of `fitted/` that cannot be read."""


def load_calibrations(folder: Path = FITTED) -> Calibrations:
    """Load all fitted calibrations. Raises CalibrationInvalid."""
    found: dict[str, ModelCalibration] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            calibration = _FILE.decode(path.read_bytes())
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise CalibrationInvalid(f"{path.name} is no calibration: {error}") from error
        if any(one.temperature <= 0 for one in calibration.by_kind.values()):
            raise CalibrationInvalid(f"{path.name} has a temperature that is not above 0.")
        if any(not 0 <= one.equal_share <= 1 for one in calibration.by_kind.values()):
            raise CalibrationInvalid(f"{path.name} has an equal share that is not from 0 to 1.")
        found[calibration.weights] = calibration
    return MappingProxyType(found)


def weights_key(model: Model, find: Callable[[str], Model | None]) -> str:
    """Return what identifies the weights that answer: the base's name, and those of an adapter.

    `find` returns a catalog model by its id. Models that answer with their base's weights share its
    calibration.
    """
    weights = (find(model.engine_id) or model).weights
    name = weights.base_name or weights.source
    return f"{name} + {model.weights.source}" if model.weights.kind == "adapter" else name


def find_calibration(
    calibrations: Calibrations, weights: str | None, kind: QuestionKind
) -> TypeCalibration | None:
    """Return the calibration for a type of question; None if none was fitted.

    `weights` is None for weights that nobody fitted, such as a customer's own. A score without a
    calibration of its own uses that of choices.
    """
    model = None if weights is None else calibrations.get(weights)
    if model is None:
        return None
    fallback = QuestionKind.CHOICE if kind is QuestionKind.SCORE else kind
    return model.by_kind.get(kind) or model.by_kind.get(fallback)


def probabilities(
    scores: Scores, calibration: TypeCalibration, prior: Scores | None = None
) -> tuple[float, ...]:
    """Return the calibrated probability of each option; they sum to 1.

    `prior` are the scores without an input, None if they were not asked for. The bias applies to
    the first option, which is `true` in a predicate.
    """
    weight = 0.0 if prior is None else calibration.prior_weight
    logits = [
        (score - weight * before) / calibration.temperature
        for score, before in zip(scores, prior or scores, strict=True)
    ]
    logits[0] += calibration.bias
    highest = max(logits)
    weights = [math.exp(logit - highest) for logit in logits]
    share = calibration.equal_share
    factor, rest = (1 - share) / sum(weights), share / len(weights)
    return tuple(weight * factor + rest for weight in weights)
