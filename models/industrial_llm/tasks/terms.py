"""Task: translate maintenance terms between Chinese and English.

Reads CAMB's term pairs. Longer passages are excluded, because they come from manufacturers'
manuals. Both directions of a pair are in the same part.
"""

from pathlib import Path

from models.industrial_llm.examples import (
    CHINESE,
    ENGLISH,
    DatasetSplit,
    Example,
    Task,
    detect_language,
    instructions_by_language,
)
from models.industrial_llm.splitting import remove_near_duplicates, split_by_group
from models.industrial_llm.tasks.files import read_data_file
from models.workbook import read_first_sheet

FILE = Path("camb_zh", "bitextmine.xlsx")
MAX_TERM_LENGTH = 48
SOURCE = "camb_terms"


def load(directory: Path, _fold: int) -> DatasetSplit:
    """Load every term in both directions. Raises TrainingDataMissing."""
    _, *rows = read_first_sheet(read_data_file(directory, FILE))
    terms = [tuple(" ".join(cell.split()) for cell in row) for row in rows]
    english = split_by_group(
        [_to_example(english, chinese) for english, chinese in terms if _is_term(english, chinese)]
    )
    return remove_near_duplicates(english + _swap_languages(english))


def _is_term(english: str, chinese: str) -> bool:
    """Return whether a pair is a short term in two languages; some names are the same in both."""
    is_short = max(len(english), len(chinese)) <= MAX_TERM_LENGTH
    return is_short and detect_language(chinese) == CHINESE and detect_language(english) == ENGLISH


def _swap_languages(split: DatasetSplit) -> DatasetSplit:
    """Return the examples with source and target language swapped."""
    train, validation, test = (
        tuple(_to_example(example.answer, example.text) for example in examples)
        for examples in (split.train, split.validation, split.test)
    )
    return DatasetSplit(train, validation, test)


def _to_example(text: str, answer: str) -> Example:
    """Create an example from a term and its translation."""
    return Example(TASK.name, SOURCE, detect_language(text), text, answer)


TASK = Task(
    name="terms",
    load=load,
    instructions=instructions_by_language(
        ("Translate this term into Chinese or English.", "Give the term in the other language."),
        ("把这个术语译成英文或中文。", "给出该术语的另一种语言说法。"),
    ),
    max_tokens=48,
)
