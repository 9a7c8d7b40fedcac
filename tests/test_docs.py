"""The documents: every setting, error code and settlement that exists is in them."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import billing
import gateway.adapting
import gateway.errors
import gateway.files
import gateway.identity
import gateway.improving
import gateway.knowledge
import gateway.model_versions
import infra.db
from billing.tables import Settlement
from infra.errors import AppError
from infra.settings import Settings

ROOT = Path(__file__).parent.parent


def facts() -> Iterator[type[AppError]]:
    """What a caller or an operator can be refused for: all that the gateway and billing declare."""
    modules = [gateway.errors, gateway.files, gateway.model_versions, infra.db]
    packages = (
        billing, gateway.adapting, gateway.identity, gateway.improving, gateway.knowledge,
    )  # fmt: skip
    found = [
        one
        for package in packages
        for one in walk_packages(package.__path__, f"{package.__name__}.")
    ]
    modules += [import_module(one.name) for one in found]
    for module in modules:
        for fact in vars(module).values():
            if isinstance(fact, type) and issubclass(fact, AppError):
                yield fact


class TestSettings:
    def test_each_is_listed_and_no_other(self) -> None:
        document = text("docs", "settings.md")
        listed = re.findall(r"^\| `(MAAS_\w+)`", document, re.MULTILINE)
        assert listed == [f"MAAS_{name.upper()}" for name in Settings.model_fields]


class TestErrors:
    def test_each_code_is_listed_with_its_status(self) -> None:
        document = text("docs", "errors.md")
        listed = set(re.findall(r"^\| `(\w+)` \| (\d+) \|", document, re.MULTILINE))
        codes = {(fact.code, str(fact.status)) for fact in facts() if fact.code}
        assert listed == codes


class TestSettlements:
    def test_each_is_explained(self) -> None:
        document = text("docs", "metering.md")
        for settlement in Settlement:
            assert f"| `{settlement}` |" in document


class TestReadme:
    def test_in_chinese_it_gives_the_same_commands(self) -> None:
        chinese, english = commands("README.zh.md"), commands("README.md")
        assert chinese
        assert [one for one in english if one in chinese] == chinese


class TestOperatorsGuide:
    def test_in_chinese_it_gives_the_same_commands(self) -> None:
        """All of them: who follows it leaves out no step."""
        chinese, english = (
            commands("docs/operators-guide.zh.md"),
            commands("docs/operators-guide.md"),
        )
        assert chinese == english

    def test_in_chinese_it_has_the_same_tables(self) -> None:
        chinese, english = (
            named(text("docs", name)) for name in ("operators-guide.zh.md", "operators-guide.md")
        )
        assert chinese == english


def named(document: str) -> list[list[str]]:
    """What is to be typed or looked for, as it stands in each row of a table."""
    rows = re.findall(r"^\|.*\|$", document, re.MULTILINE)
    return [re.findall(r"`([^`]+)`", row) for row in rows]


def text(*place: str) -> str:
    return ROOT.joinpath(*place).read_text(encoding="utf-8")


def commands(name: str) -> list[str]:
    """The blocks of code of a document, without their remarks, which are in its language."""
    blocks = re.findall(r"^```\w*\n((?s:.*?))^```|((?:^ {4}.*\n)+)", text(name), re.MULTILINE)
    return [re.sub(r" +# .*", "", fenced or indented) for fenced, indented in blocks]
