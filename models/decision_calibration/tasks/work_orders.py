"""Choice: the failure mode of a work order (Failure Mode Classification set, FMC).

Only orders of the ten most frequent failure modes are asked about; those are the options.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from models.decision_calibration.questions import Option, QuestionKind, TypedQuestion
from models.decision_calibration.tasks.labelled_question import LabelledQuestion
from models.industrial_llm.tasks import failure_mode

_MODES = 10
_INSTRUCTIONS = "Which failure mode does this maintenance work order describe?"


def load(directory: Path) -> Sequence[LabelledQuestion]:
    """Load the questions. Raises TrainingDataMissing."""
    split = failure_mode.load(directory, 0)
    orders = [one for one in (*split.train, *split.test) if one.source == failure_mode.FMC]
    counts = Counter(order.answer for order in orders)
    modes = sorted(mode for mode, _ in counts.most_common(_MODES))
    question = TypedQuestion(
        QuestionKind.CHOICE, _INSTRUCTIONS, tuple(Option(mode) for mode in modes)
    )
    return [
        LabelledQuestion(
            f"work_orders/{number}",
            f"Work order: {order.text}",
            question,
            modes.index(order.answer),
        )
        for number, order in enumerate(orders)
        if order.answer in modes
    ]
