"""Predicate: whether a Chinese passage of the handbook says what an English sentence states.

The handbook has each passage in both languages. A true statement is a sentence of the passage's
English text, a false one a sentence of another passage of the same area. Needs no training set.
"""

import random
import re
from collections.abc import Sequence
from pathlib import Path

from models.decision_calibration.questions import predicate
from models.decision_calibration.tasks.labelled_question import LabelledQuestion
from models.handbook.passages import HandbookPassage, read_handbook

_SEED = 9
_MIN_LENGTH = 40
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


def load(_directory: Path) -> Sequence[LabelledQuestion]:
    """Load two questions per passage, a true and a false statement."""
    passages = read_handbook()
    english = [one for one in passages if one.language == "en"]
    chinese = {one.key: one for one in passages if one.language == "zh"}
    generator = random.Random(_SEED)  # noqa: S311
    questions: list[LabelledQuestion] = []
    for passage in english:
        others = [
            one for one in english if one.area_id == passage.area_id and one.key != passage.key
        ]
        for truth, source in enumerate((passage, generator.choice(others))):
            statement = f"The input says: {generator.choice(_sentences(source))}"
            context = f"{chinese[passage.key].title}\n{chinese[passage.key].text}"
            name = f"handbook/{passage.key}/{truth}"
            questions.append(LabelledQuestion(name, context, predicate(statement), truth))
    return questions


def _sentences(passage: HandbookPassage) -> list[str]:
    """Return the sentences of a passage that are long enough to state something."""
    sentences = _SENTENCE_END.split(passage.text)
    return [one for one in sentences if len(one) >= _MIN_LENGTH] or sentences
