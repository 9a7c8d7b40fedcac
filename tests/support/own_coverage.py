"""Line coverage of `billing/` by the tests beside its modules alone, at almost no cost.

A trace function, as coverage.py sets on Python 3.11, slows down every line that runs, SQLAlchemy's
and everybody's. Instead, with `-p tests.support.own_coverage --own-coverage`, each statement of
`billing/` is compiled with a mark of its own before it, and those marks count that are made while
modules are imported or while a test of `tests/billing` runs: a line that only a story of another
folder reaches is not reached. Results that functions of `billing/` cached before are cleared
first, or their lines would not run again. Every process leaves a data file for `coverage combine`.
"""

import ast
import functools
import importlib.util
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any
from zlib import crc32

import coverage
import pytest

OWN = "tests/billing/"
PACKAGE = "billing"
ROOT = Path(__file__).parents[2]
SETTINGS = Path(__file__).with_suffix(".ini")
_MARKS = "__marked_lines__"
_SUFFIX = f".marked-{crc32(Path(__file__).read_bytes()):08x}.pyc"


class Marking(ast.NodeTransformer):
    """Puts `__marked_lines__[line] = 1` before every statement, and first into what an `except` or
    `case` leads to."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                setattr(node, name, list(_marked(node, statements)))
        return node


def _marked(parent: ast.AST, statements: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    if isinstance(parent, ast.ExceptHandler | ast.match_case) and statements:
        line = parent.lineno if isinstance(parent, ast.ExceptHandler) else parent.pattern.lineno
        yield _mark(line, statements[0])
    for at, statement in enumerate(statements):
        if not (at == 0 and _is_text(statement)) and not _is_future(statement):
            for decorator in getattr(statement, "decorator_list", ()):
                yield _mark(decorator.lineno, statement)
            yield _mark(statement.lineno, statement)
        yield statement


def _mark(line: int, before: ast.stmt) -> ast.stmt:
    (mark,) = ast.parse(f"{_MARKS}[{line}] = 1").body
    for node in ast.walk(mark):
        ast.copy_location(node, before)
    return mark


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, which must stay first."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


class Lines:
    """The marked lines by file, without those of other tests."""

    def __init__(self) -> None:
        self._now: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._kept: defaultdict[str, set[int]] = defaultdict(set)

    def of(self, path: str) -> dict[int, int]:
        """The marks of a file by line."""
        return self._now[path]

    def keep(self) -> None:
        for path, marks in self._now.items():
            self._kept[path].update(marks)

    def forget(self) -> None:
        for marks in self._now.values():
            marks.clear()

    def save(self) -> None:
        """Save as a data file of coverage.py."""
        settings = coverage.Coverage(config_file=str(SETTINGS))
        data = coverage.CoverageData(str(settings.get_option("run:data_file")), suffix=True)
        data.add_lines(self._kept)
        data.touch_files(map(str, ROOT.joinpath(PACKAGE).rglob("*.py")))  # never imported: no line
        data.write()


class MarkingLoader(SourceFileLoader):
    """Compiles a module with marks; the result is cached beside the one without."""

    def __init__(self, fullname: str, path: str, lines: Lines) -> None:
        super().__init__(fullname, path)
        self._lines = lines

    def source_to_code(  # type: ignore[override]  # InspectLoader declares a static one
        self, data: Any, path: Any, *, _optimize: int = -1
    ) -> CodeType:
        return compile(Marking().visit(ast.parse(data)), path, "exec", dont_inherit=True)

    def get_data(self, path: str) -> bytes:
        return super().get_data(_marked_path(path))

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        super().set_data(_marked_path(path), data, _mode=_mode)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)[_MARKS] = self._lines.of(self.path)
        super().exec_module(module)


def _marked_path(path: str) -> str:
    """The path of a module's source, or of its compiled code with marks as of this file."""
    return path.removesuffix(".pyc") + _SUFFIX if path.endswith(".pyc") else path


class MarkingFinder(MetaPathFinder):
    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not _is_measured(fullname):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None or not isinstance(spec.loader, SourceFileLoader):
            return spec
        loader = MarkingLoader(fullname, spec.origin, self._lines)
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=loader)


def clear_caches() -> None:
    """Clear the caches (`functools.cache`) of the package's functions."""
    for name, module in list(sys.modules.items()):
        if _is_measured(name):
            for value in vars(module).values():
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()


def _is_measured(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE


class OwnCoverage:
    """Collects the marks of imports and of the tests beside the modules."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._own = False

    def pytest_collection_finish(self) -> None:
        self._lines.keep()
        self._lines.forget()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        own = item.nodeid.startswith(OWN)
        if own and not self._own:
            self._lines.forget()
            clear_caches()
        elif self._own and not own:
            self._lines.keep()
        self._own = own
        return (yield)

    def pytest_sessionfinish(self) -> None:
        if self._own:
            self._lines.keep()
        self._lines.save()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--own-coverage",
        action="store_true",
        help=f"measure which lines of {PACKAGE}/ the tests below {OWN} reach",
    )


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Install the loader before the package is imported."""
    if early_config.known_args_namespace.own_coverage:
        lines = Lines()
        sys.meta_path.insert(0, MarkingFinder(lines))
        early_config.pluginmanager.register(OwnCoverage(lines))
