"""Choice: the area of the handbook from which the start of a passage is taken, among four."""

import random
from collections.abc import Sequence
from pathlib import Path

from models.decision_calibration.questions import Option, QuestionKind, TypedQuestion
from models.decision_calibration.tasks.labelled_question import LabelledQuestion
from models.handbook.passages import HandbookPassage, read_handbook

_SEED = 23
_WRONG = 3
# What is shown of a passage, in characters: enough to tell what it is about.
_SHOWN = {"en": 240, "zh": 90}
_QUESTION = {
    "en": "Which chapter of a maintenance handbook is this text from?",
    "zh": "这段文字出自维修手册的哪一章？",
}


def load(_directory: Path) -> Sequence[LabelledQuestion]:
    """Load one question per passage, in either language in turn. Needs no training set."""
    generator = random.Random(_SEED)  # noqa: S311
    passages = read_handbook()
    areas = {
        language: sorted({one.area for one in passages if one.language == language})
        for language in _SHOWN
    }
    by_key = {(one.key, one.language): one for one in passages}
    keys = sorted({one.key for one in passages})
    return [
        _question(by_key[key, language], areas[language], generator)
        for number, key in enumerate(keys)
        for language in (("en", "zh")[number % 2],)
    ]


def _question(
    passage: HandbookPassage, areas: Sequence[str], generator: random.Random
) -> LabelledQuestion:
    """Return the question about one passage; its title is not shown."""
    wrong = generator.sample([area for area in areas if area != passage.area], _WRONG)
    offered = sorted([passage.area, *wrong], key=lambda _: generator.random())
    typed = TypedQuestion(
        QuestionKind.CHOICE,
        _QUESTION[passage.language],
        tuple(Option(area) for area in offered),
    )
    return LabelledQuestion(
        f"handbook_areas/{passage.key}",
        passage.text[: _SHOWN[passage.language]],
        typed,
        offered.index(passage.area),
    )
