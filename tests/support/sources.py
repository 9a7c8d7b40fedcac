"""Facts of the product's source files, each read and parsed once for all tests of a process.

Only facts are kept, not the syntax trees: those of all files take half a gigabyte.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "billing", "models", "serving", "infra", "load")
_VERBS = frozenset({"select", "update", "delete", "insert"})


@dataclass(frozen=True, slots=True)
class Function:
    """A function: its name, its lines, the names in its SQL statements, and its text without
    comments if it has such statements."""

    name: str
    first: int
    last: int
    queried: frozenset[str]
    text: str

    @property
    def length(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Source:
    """Facts of a source file: whether it has a docstring, the lines of its imports and of changes
    of module state in functions, its functions, and the names of its classes and constants."""

    documented: bool
    imports: tuple[int, ...]
    changes: tuple[int, ...]
    functions: tuple[Function, ...]
    classes: tuple[str, ...]
    constants: tuple[str, ...]


def product_files(*packages: str) -> Iterator[Path]:
    """The source files of these packages; of all if none is named."""
    for package in packages or PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


@cache
def source_of(file: Path) -> Source:
    """Read and parse a source file."""
    text = file.read_text(encoding="utf-8")
    parsed = ast.parse(text)
    imports: list[int] = []
    changes: list[int] = []
    classes: list[str] = []
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
    statements: list[ast.Call] = []
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node.lineno)
        elif isinstance(node, ast.Global):
            changes.append(node.lineno)
        elif isinstance(node, ast.ClassDef):
            classes.append(node.name)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions.append(node)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", None) in _VERBS:
            statements.append(node)
    return Source(
        documented=not text.strip() or ast.get_docstring(parsed) is not None,
        imports=tuple(imports),
        changes=tuple(changes),
        functions=tuple(_function(node, statements) for node in functions),
        classes=tuple(classes),
        constants=tuple(_constants(parsed)),
    )


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, statements: list[ast.Call]) -> Function:
    last = node.end_lineno or node.lineno
    queried = frozenset(
        name.id
        for statement in statements
        if node.lineno <= statement.lineno <= last
        for name in ast.walk(statement)
        if isinstance(name, ast.Name)
    )
    return Function(node.name, node.lineno, last, queried, ast.unparse(node) if queried else "")


def _constants(module: ast.Module) -> Iterator[str]:
    """The names that a module assigns."""
    for node in module.body:
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
