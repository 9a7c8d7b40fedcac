"""Texts of all packages: each has a Chinese translation, and no translation is unused."""

import ast
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from gateway.inference.endpoints.table import ENDPOINTS
from infra.translations import pgettext_noop, read_catalog
from models.catalog import Model, load_catalog
from models.catalog.profiles import PROFILES
from tests.support.told_files import nodes_of, sentence_templates, told_files

ROOT = Path(__file__).parent.parent
PYTHON = ("billing", "gateway", "infra")
PLACEHOLDER = re.compile(r"%\(\w+\)s|%%|{\w+(?::[^}]*)?}")
CHINESE = re.compile("[\u4e00-\u9fff]")
# The same in a source file, where it may be escaped.
WRITTEN = re.compile(CHINESE.pattern + r"|\\[uUN]")
# The functions that mark texts, as xgettext has them; a plural and a context are arguments too.
KEYWORDS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "gettext_noop": None,
    "pgettext_noop": ((1, "c"), 2),
}
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
OPTIONS = {"**/templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}
# Not texts of the product: the example firms.
CHINESE_SOURCES = ("gateway/demo",)


def no_texts() -> Iterator[str]:
    yield from ()


def texts_of_models() -> Iterator[str]:
    """Labels and descriptions that the dashboard shows but that are written elsewhere."""
    yield from (endpoint.label for endpoint in ENDPOINTS.values())
    yield from (model.description for model in all_models())
    yield from (template for file in told_files() for template in sentence_templates(file))


def inputs_of_models() -> Iterator[str]:
    """All string literals in the models' code, such as descriptions of inputs, and of trainings."""
    for file in told_files():
        yield from string_literals(file)


def all_models() -> Iterator[Model]:
    for profile in PROFILES:
        yield from load_catalog(profile).models.values()


def string_literals(file: Path) -> Iterator[str]:
    """All string literals of a Python file except docstrings."""
    nodes = nodes_of(file)
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in docstrings:
                yield node.value


@dataclass(frozen=True, slots=True)
class Package:
    """A package with a catalog. `more` are texts written elsewhere that need a translation,
    `others` are texts that may have one."""

    folder: str
    keywords: Mapping[str, Any] = field(default_factory=lambda: KEYWORDS)
    more: Callable[[], Iterator[str]] = no_texts
    others: Callable[[], Iterator[str]] = no_texts

    @property
    def catalog(self) -> Path:
        return ROOT / self.folder / "translations"

    def texts(self) -> set[str]:
        """Ids of all texts that need a translation."""
        return extracted(self.folder, frozenset(self.keywords)) | {*self.more()}

    def translations(self) -> Mapping[str, str | tuple[str, ...]]:
        return read_catalog(self.catalog, "zh").translations


@cache
def extracted(folder: str, keywords: frozenset[str]) -> frozenset[str]:
    """Ids of the texts that a folder's files mark by these functions, read once for all tests."""
    chosen = {name: KEYWORDS.get(name) for name in keywords}
    found = extract_from_dir(ROOT / folder, METHODS, OPTIONS, keywords=chosen)
    return frozenset(message_id(text, context) for _, _, text, _, context in found)


def message_id(text: str | tuple[str, ...], context: str | None) -> str:
    """The id of a text in a catalog; for a text with a plural, that of its singular."""
    name = text if isinstance(text, str) else text[0]
    return pgettext_noop(context, name) if context else name


PACKAGES = (
    Package("billing"),
    Package("gateway/identity"),
    Package("gateway/dashboard", KEYWORDS | {"translate": None}, texts_of_models, inputs_of_models),
)
each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.folder)


@each_package
def test_each_text_has_a_translation(package: Package) -> None:
    assert sorted(package.texts() - package.translations().keys()) == []


@each_package
def test_each_translation_is_of_a_text(package: Package) -> None:
    unused = package.translations().keys() - package.texts() - {*package.others()}
    assert sorted(unused) == []


@each_package
def test_translations_are_not_empty_and_keep_placeholders(package: Package) -> None:
    for english, chinese in package.translations().items():
        for text in [chinese] if isinstance(chinese, str) else chinese:
            assert text, english
            assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(english)), (
                english
            )


@each_package
def test_each_text_is_in_one_file(package: Package) -> None:
    seen: dict[str, str] = {}
    for file in sorted(package.catalog.glob("zh/*.po")):
        with file.open("rb") as stream:
            for message in read_po(stream):
                if message.id:
                    name = message_id(message.id, message.context)
                    assert name not in seen, (name, file.name, seen[name])
                    seen[name] = file.name


def test_packages_are_those_with_a_catalog() -> None:
    folders = {file.parent.parent for top in PYTHON for file in (ROOT / top).rglob("*.po")}
    assert folders == {package.catalog for package in PACKAGES}


def test_installations_have_all_catalogs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    package_data = project["tool"]["setuptools"]["package-data"]
    for top in PYTHON:
        installed = {file for glob in package_data[top] for file in (ROOT / top).glob(glob)}
        assert {*(ROOT / top).rglob("*.po")} <= installed


def test_python_files_have_no_chinese_texts() -> None:
    for file in (file for top in PYTHON for file in sorted((ROOT / top).rglob("*.py"))):
        name = str(file.relative_to(ROOT))
        # Most files have no Chinese at all, and need not be parsed.
        if not name.startswith(CHINESE_SOURCES) and WRITTEN.search(file.read_text("utf-8")):
            assert [text for text in string_literals(file) if CHINESE.search(text)] == [], name
