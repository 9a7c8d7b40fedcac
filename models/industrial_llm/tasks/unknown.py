"""Questions that nobody can answer without the plant's data, and some that anybody can.

Owns our own questions (unknown.tsv) and how not knowing is said. Without the answerable ones a
model learns to refuse whatever carries no instruction.
"""

from pathlib import Path

from models.industrial_llm.examples import Example, Parts, Task, language_of, wordings
from models.industrial_llm.splitting import divided
from models.industrial_llm.tasks.files import pairs

LINES = Path(__file__).with_name("unknown.tsv")
SOURCE = "own_questions"
ADMITTED = ("I do not know", "我不知道")
"""How an answer begins that says that it is not known, in either language."""


def load(_directory: Path, _fold: int) -> Parts:
    """All questions. They are our own: nothing is needed of the training sets."""
    return divided([_example(question, answer) for question, answer in pairs(LINES)])


def admits(answer: str) -> bool:
    """Whether an answer says that it is not known."""
    return answer.strip().startswith(ADMITTED)


def _example(question: str, answer: str) -> Example:
    return Example(TASK.name, SOURCE, language_of(question), question, answer)


TASK = Task(
    name="unknown",
    load=load,
    # A question as it is: no instruction stands before what people ask a chat model.
    instructions=wordings(("",), ("",)),
    longest=64,
)
