"""Terms of maintenance, from Chinese to English and back.

Owns how CAMB's term pairs read, of which terms are taken and passages left: those come from
manufacturers' manuals. A pair is on one side in both directions.
"""

from pathlib import Path

from models.industrial_llm.examples import (
    CHINESE,
    ENGLISH,
    Example,
    Parts,
    Task,
    language_of,
    wordings,
)
from models.industrial_llm.splitting import apart, divided
from models.industrial_llm.tasks.files import packed
from models.workbook import sheet

FILE = Path("camb_zh", "bitextmine.xlsx")
LONGEST = 48
SOURCE = "camb_terms"


def load(directory: Path, _fold: int) -> Parts:
    """Every term in both directions. Raises TrainingDataMissing."""
    _, *rows = sheet(packed(directory, FILE))
    terms = [tuple(" ".join(cell.split()) for cell in row) for row in rows]
    english = divided(
        [_example(english, chinese) for english, chinese in terms if _is_term(english, chinese)]
    )
    return apart(english + _reversed(english))


def _is_term(english: str, chinese: str) -> bool:
    """Not a passage, and in two languages: some names are the same in both."""
    short = max(len(english), len(chinese)) <= LONGEST
    return short and language_of(chinese) == CHINESE and language_of(english) == ENGLISH


def _reversed(parts: Parts) -> Parts:
    train, validation, test = (
        tuple(_example(one.answer, one.text) for one in some)
        for some in (parts.train, parts.validation, parts.test)
    )
    return Parts(train, validation, test)


def _example(text: str, answer: str) -> Example:
    return Example(TASK.name, SOURCE, language_of(text), text, answer)


TASK = Task(
    name="terms",
    load=load,
    instructions=wordings(
        ("Translate this term into Chinese or English.", "Give the term in the other language."),
        ("把这个术语译成英文或中文。", "给出该术语的另一种语言说法。"),
    ),
    longest=48,
)
