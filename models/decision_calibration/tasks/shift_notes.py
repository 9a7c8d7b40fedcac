"""Notes of a shift log, each about one kind of fault: which kind, and whether it is a given one.

The notes (`shift_notes.tsv`, made up) are half English and half Chinese, and none names its kind.
"""

import random
from collections.abc import Sequence
from pathlib import Path

from models.decision_calibration.questions import Option, QuestionKind, TypedQuestion, predicate
from models.decision_calibration.tasks.labelled_question import LabelledQuestion

NOTES = Path(__file__).with_name("shift_notes.tsv")
_SEED = 29
# Kind, its English option and its Chinese one.
KINDS = {
    "leak": ("leak", "泄漏"),
    "overheating": ("overheating", "过热"),
    "vibration": ("vibration or noise", "振动或异响"),
    "electrical": ("electrical fault", "电气故障"),
    "blockage": ("blockage", "堵塞"),
    "sensor": ("faulty measurement", "测量失准"),
    "loose": ("loose or broken part", "零件松动或断裂"),
    "corrosion": ("corrosion", "腐蚀"),
}


def read_notes() -> list[tuple[str, str]]:
    """Return kind and text of each note."""
    lines = NOTES.read_text(encoding="utf-8").splitlines()
    return [(kind, text) for kind, _, text in (line.partition("\t") for line in lines if line)]


def load_kinds(_directory: Path) -> Sequence[LabelledQuestion]:
    """Load the question which kind of fault a note is about. Needs no training set."""
    questions = []
    for number, (kind, text) in enumerate(read_notes()):
        language = _language(text)
        options = tuple(Option(names[language]) for names in KINDS.values())
        asked = ("What is the note about?", "这条记录说的是什么？")[language]
        typed = TypedQuestion(QuestionKind.CHOICE, asked, options)
        questions.append(
            LabelledQuestion(f"shift_notes/{number}", text, typed, list(KINDS).index(kind))
        )
    return questions


def load_statements(_directory: Path) -> Sequence[LabelledQuestion]:
    """Load a true and a false statement about each note. Needs no training set."""
    generator = random.Random(_SEED)  # noqa: S311
    questions = []
    for number, (kind, text) in enumerate(read_notes()):
        other = generator.choice([one for one in KINDS if one != kind])
        for truth, named in enumerate((kind, other)):
            language = _language(text)
            stated = ("The note is about: {}.", "这条记录说的是{}。")[language]
            statement = stated.format(KINDS[named][language])
            name = f"shift_statements/{number}/{truth}"
            questions.append(LabelledQuestion(name, text, predicate(statement), truth))
    return questions


def _language(text: str) -> int:
    """Return 0 for an English note, 1 for a Chinese one."""
    return 0 if text.isascii() else 1
