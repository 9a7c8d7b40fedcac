"""Task: decline questions that need the plant's data, and answer general ones.

Reads own questions (unknown.tsv). Without answerable questions a model learns to decline every text
without an instruction.
"""

from pathlib import Path

from models.industrial_llm.examples import (
    DatasetSplit,
    Example,
    Task,
    detect_language,
    instructions_by_language,
)
from models.industrial_llm.splitting import split_by_group
from models.industrial_llm.tasks.files import read_pairs

OWN_EXAMPLES_FILE = Path(__file__).with_name("unknown.tsv")
SOURCE = "own_questions"
UNKNOWN_PHRASES = ("I do not know", "我不知道")
"""How an answer that declines begins, in either language."""


def load(_directory: Path, _fold: int) -> DatasetSplit:
    """Load all questions. No training sets are needed."""
    return split_by_group(
        [_to_example(question, answer) for question, answer in read_pairs(OWN_EXAMPLES_FILE)]
    )


def is_unknown_answer(answer: str) -> bool:
    """Return whether an answer declines the question as unknown."""
    return answer.strip().startswith(UNKNOWN_PHRASES)


def _to_example(question: str, answer: str) -> Example:
    """Create an example from a question and its answer."""
    return Example(TASK.name, SOURCE, detect_language(question), question, answer)


TASK = Task(
    name="unknown",
    load=load,
    # No instruction: users ask chat models plain questions.
    instructions=instructions_by_language(("",), ("",)),
    max_tokens=64,
)
