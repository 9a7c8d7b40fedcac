"""Task: expand the shorthand of a work order to plain text.

Reads MaintNorm by company, with asset ids, numbers, dates and names masked as in the data set. Each
company is a source: excluding one from training and testing on it shows how the model does for an
unknown company.
"""

from itertools import groupby
from pathlib import Path

from models.industrial_llm.examples import (
    ENGLISH,
    DatasetSplit,
    Example,
    Task,
    instructions_by_language,
)
from models.industrial_llm.splitting import remove_near_duplicates
from models.industrial_llm.tasks.files import read_data_file

COMPANIES = ("a", "b")


def company_source(company: str) -> str:
    """Return the source name of a company's work orders."""
    return f"maintnorm/{company}"


def load(directory: Path, _fold: int) -> DatasetSplit:
    """Load both companies' work orders, split as published. Raises TrainingDataMissing."""
    train, validation, test = (
        tuple(
            example for company in COMPANIES for example in _load_orders(directory, company, part)
        )
        for part in ("train", "val", "test")
    )
    return remove_near_duplicates(DatasetSplit(train, validation, test))


def _load_orders(directory: Path, company: str, part: str) -> list[Example]:
    """Load the work orders of one company and part."""
    file = Path("maint_text", "maintnorm", f"{company}_{part}.norm.gz")
    lines = read_data_file(directory, file).decode().splitlines()
    blocks = groupby(lines, key=lambda line: bool(line.strip()))
    orders = (
        _to_example(company, [line.split("\t") for line in block])
        for has_text, block in blocks
        if has_text
    )
    # One order's expansion is empty, which can be neither trained nor generated.
    return [order for order in orders if order.answer]


def _to_example(company: str, aligned_words: list[list[str]]) -> Example:
    """Create an example from shorthand words, each with its expansion, which may be empty."""
    shorthand = " ".join(word for word, _ in aligned_words)
    plain_text = " ".join(expansion for _, expansion in aligned_words if expansion)
    return Example(TASK.name, company_source(company), ENGLISH, shorthand, plain_text)


TASK = Task(
    name="plain_text",
    load=load,
    instructions=instructions_by_language(
        (
            "Write this work order in plain text.",
            "Expand the shorthand and correct the spelling.",
            "Normalise this maintenance text.",
        ),
        ("把这条工单简写改写成规范文本。", "展开缩写并改正拼写。", "规范化这条维修文本。"),
    ),
)
