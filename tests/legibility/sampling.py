"""Draw functions and modules at random: path, name, parameters and first docstring line."""

import ast
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "billing", "models", "serving", "infra")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Sample:
    """Lines to print, one for each function and module."""

    functions: tuple[str, ...]
    modules: tuple[str, ...]


def draw(seed: int, functions: int, modules: int, root: Path = ROOT) -> Sample:
    """Draw without replacement; the same seed and code give the same sample."""
    files = [file for package in PACKAGES for file in sorted((root / package).rglob("*.py"))]
    files = [file for file in files if "versions" not in file.parts]
    chosen = random.Random(seed)
    described = [line for file in files for line in function_lines(file, root)]
    return Sample(
        tuple(chosen.sample(described, functions)),
        tuple(chosen.sample([module_line(file, root) for file in files], modules)),
    )


def module_line(file: Path, root: Path) -> str:
    """The path and the first docstring line of a module."""
    return f"{file.relative_to(root)}  {_first_line(_parsed(file))}".rstrip()


def function_lines(file: Path, root: Path) -> Iterator[str]:
    """One line for each function and method of a file, without special methods."""
    yield from _lines_of(_parsed(file).body, f"{file.relative_to(root)}  ")


def _lines_of(body: Sequence[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _lines_of(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, Function) and not node.name.startswith("__"):
            yield f"{prefix}{node.name}({_parameters(node)})  {_first_line(node)}".rstrip()


def _parameters(node: Function) -> str:
    named = [*node.args.posonlyargs, *node.args.args]
    names = [one.arg for one in named if one.arg not in ("self", "cls")]
    names += [f"*{node.args.vararg.arg}"] if node.args.vararg else []
    names += [one.arg for one in node.args.kwonlyargs]
    names += [f"**{node.args.kwarg.arg}"] if node.args.kwarg else []
    return ", ".join(names)


def _first_line(node: ast.Module | Function) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))
