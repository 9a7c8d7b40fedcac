"""Shorthand of a work order as plain text.

Owns how MaintNorm reads, company by company, and that asset ids, numbers, dates and names are
masked as the set masks them. Each company is a source: learning without one and judging by it shows
what the model does for a company that it never saw.
"""

from itertools import groupby
from pathlib import Path

from models.industrial_llm.examples import ENGLISH, Example, Parts, Task, wordings
from models.industrial_llm.splitting import apart
from models.industrial_llm.tasks.files import packed

COMPANIES = ("a", "b")


def source(company: str) -> str:
    """What a company's orders are left out by."""
    return f"maintnorm/{company}"


def load(directory: Path, _fold: int) -> Parts:
    """Both companies, in the set's own parts. Raises TrainingDataMissing."""
    train, validation, test = (
        tuple(one for company in COMPANIES for one in _orders(directory, company, part))
        for part in ("train", "val", "test")
    )
    return apart(Parts(train, validation, test))


def _orders(directory: Path, company: str, part: str) -> list[Example]:
    file = Path("maint_text", "maintnorm", f"{company}_{part}.norm.gz")
    lines = packed(directory, file).decode().splitlines()
    blocks = groupby(lines, key=lambda line: bool(line.strip()))
    orders = (
        _example(company, [line.split("\t") for line in some]) for full, some in blocks if full
    )
    # Of one order nothing is left: an empty answer can be neither learned nor given.
    return [one for one in orders if one.answer]


def _example(company: str, words: list[list[str]]) -> Example:
    """Words and, beside each, what it stands for: several words, one, or none."""
    said = " ".join(word for word, _ in words)
    meant = " ".join(plain for _, plain in words if plain)
    return Example(TASK.name, source(company), ENGLISH, said, meant)


TASK = Task(
    name="plain_text",
    load=load,
    instructions=wordings(
        (
            "Write this work order in plain text.",
            "Expand the shorthand and correct the spelling.",
            "Normalise this maintenance text.",
        ),
        ("把这条工单简写改写成规范文本。", "展开缩写并改正拼写。", "规范化这条维修文本。"),
    ),
)
