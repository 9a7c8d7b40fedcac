"""The source files with messages of trainings and of files to publish, and the messages in them."""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_FOLDERS = ("models", "gateway/fine_tuning", "gateway/plant", "serving/training", "billing")


def told_files() -> Iterator[Path]:
    """The files with sentences of the log of trainings."""
    for folder in _FOLDERS:
        yield from (ROOT / folder).rglob("*.py")


def sentence_templates(file: Path) -> Iterator[str]:
    """The templates of a Python file's calls of `sentence` (infra/sentences.py)."""
    for node in nodes_of(file):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "sentence":
            if node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)


@cache
def nodes_of(file: Path) -> Sequence[ast.AST]:
    """All nodes of a Python file."""
    return tuple(ast.walk(ast.parse(file.read_text("utf-8"))))
