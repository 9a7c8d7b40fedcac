"""The architecture: import directions, size of files and functions, tenant isolation."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.support.heavy import IMPORTED
from tests.support.sources import ROOT, Source, product_files, source_of


@cache
def modules_of_tests() -> dict[str, Path]:
    """All modules under tests/ by name."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return {name.removesuffix(".__init__"): file for name, file in zip(names, files, strict=True)}


@pytest.fixture(scope="module")
def read() -> dict[Path, Source]:
    """Every source file of the product."""
    return {file: source_of(file) for file in product_files()}


def imported(file: Path) -> set[str]:
    """The modules that a file imports, and imported names that may be modules."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return found


@cache
def imports_of_tests() -> dict[str, set[str]]:
    """The modules under tests/ that each test module imports."""
    modules = modules_of_tests()
    return {name: imported(file) & modules.keys() for name, file in modules.items()}


class TestImports:
    @pytest.mark.usefixtures("processes")
    def test_import_contracts_are_met(self) -> None:
        command = Path(sys.executable).with_name("lint-imports")
        done = subprocess.run([command], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout

    def test_no_function_contains_an_import(self, read: dict[Path, Source]) -> None:
        for file, found in read.items():
            for one in found.functions:
                inner = [line for line in found.imports if one.first <= line <= one.last]
                assert not inner, f"{file.relative_to(ROOT)}: {one.name}"


class TestSourceSize:
    def test_files_have_at_most_400_lines(self) -> None:
        for file in [*product_files(), *(ROOT / "tests").rglob("*.py")]:
            lines = file.read_text(encoding="utf-8").count("\n")
            assert lines <= 400, f"{file.relative_to(ROOT)} has {lines} lines"

    def test_functions_have_at_most_60_lines(self, read: dict[Path, Source]) -> None:
        lengths = []
        for file, found in read.items():
            if "versions" in file.parts:
                continue
            for one in found.functions:
                lengths.append(one.length)
                assert one.length <= 60, f"{file.relative_to(ROOT)}: {one.name}"
        assert sorted(lengths)[len(lengths) // 2] <= 10

    def test_every_module_has_a_docstring(self, read: dict[Path, Source]) -> None:
        silent = [file for file, found in read.items() if not found.documented]
        assert not silent


class TestModuleState:
    def test_no_function_changes_module_state(self, read: dict[Path, Source]) -> None:
        changing = {file: found.changes for file, found in read.items() if found.changes}
        assert not changing

    def test_only_the_database_module_commits(self) -> None:
        for file in product_files():
            if file.relative_to(ROOT).parts[0] == "infra":
                continue
            assert ".commit(" not in file.read_text(encoding="utf-8"), file


class TestTenantIsolation:
    """Each query on a tenant table filters by account or is listed here."""

    TABLES = frozenset(
        {
            *("Usage", "ApiKey", "OutcomeContract", "OutcomeVersion", "Attester", "Evidence"),
            *("Outcome", "OutcomeCall", "OutcomeSettlement", "OutcomeCredit", "Dispute", "Charge"),
            *("TrainingFile", "Adaptation", "AdaptationEvent", "Variant"),
            *("VariantActivation", "VariantDeletion"),
            *("VariantCount", "VariantDrift"),
            *("VectorStore", "VectorStoreFile", "VectorPiece"),
            *("EvaluationRun", "EvaluationQuestion", "EvaluationAnswer"),
            "SavedResponse",
            *("Batch", "BatchLine"),
            *("ModelComparison", "Observation", "VariantPromise", "ShadowDeployment"),
            *("ShadowAnswer", "RetrainingSchedule", "RetrainingRun"),
            *("Feedback", "ModelVersionExample"),
            *("PaymentOrder", "PaymentRefund", "PaymentDiscrepancy"),
            *("Membership", "AuditEntry"),
            *("CreditDecision", "CreditOverride", "CreditGuarantee", "DepositMovement"),
            *("InvoicePart", "InvoicePaymentTerms", "LateFee", "PaymentFailure"),
            *("Fapiao", "FapiaoTitle", "FapiaoFile", "BankProposal", "PaymentProof"),
        }
    )
    # Functions that may query across accounts, with the reason.
    ACROSS = frozenset(
        {
            ("find_key_by_hash", "it finds out which account calls, by a secret's hash"),
            ("insert_usage", "each row carries its account"),
            ("_insert_key", "the row carries its account"),
            ("claim_job", "a gateway process takes up the oldest job of whichever account"),
            ("claim", "a gateway process takes up the oldest job of whichever account"),
            ("delete_expired_files", "what is in expired stores goes, of whichever account"),
            ("delete_expired_responses", "what has expired goes, of whichever account"),
            ("erase_expired_candidates", "what has expired goes, of whichever account"),
            ("count_ratings", "the operator sees how a model does with everybody"),
            ("count_levels", "a metric counts the models of all accounts"),
            ("count_promises", "a metric counts the models of all accounts"),
            ("delete_old", "results past their retention go, of whichever account"),
            ("_settle_next", "a gateway process takes up an ended run of whichever account"),
            ("delete_old_counts", "what no window reaches goes, of whichever account"),
        }
    )

    def test_every_tenant_query_filters_by_account(self, read: dict[Path, Source]) -> None:
        allowed = {name for name, _ in self.ACROSS}
        for file, found in read.items():
            if file.relative_to(ROOT).parts[0] not in ("billing", "gateway"):
                continue
            for one in found.functions:
                if one.name not in allowed and one.queried & self.TABLES:
                    assert "account_id" in one.text, f"{file.relative_to(ROOT)}: {one.name}"


class TestTestImports:
    """Test packages are independent: shared code is in tests/support, or in the same package."""

    def test_no_module_imports_tests_or_a_conftest(self) -> None:
        for name, found in imports_of_tests().items():
            wrong = {one for one in found if self._is_collected(one)}
            assert not wrong, f"{name}: move what is shared to a module of tests/support"

    def test_collection_imports_no_large_package(self, pytestconfig: pytest.Config) -> None:
        """Each worker would have it, for seconds and half a gigabyte: infra/lazy_import.py."""
        assert pytestconfig.stash[IMPORTED] == ()

    def test_support_imports_no_other_test_package(self) -> None:
        for name, found in imports_of_tests().items():
            if name.startswith("tests.support."):
                wrong = {one for one in found if self._is_elsewhere(one)}
                assert not wrong, name

    def test_modules_shared_by_test_packages_are_in_support(self) -> None:
        for name, found in imports_of_tests().items():
            for one in filter(self._is_elsewhere, found):
                package = one.rpartition(".")[0]
                if modules_of_tests()[one].name != "__init__.py" and not self._is_program(package):
                    assert name.startswith(f"{package}."), f"{name} imports {one}"

    def test_every_module_of_support_is_used(self) -> None:
        texts = {
            file: file.read_text(encoding="utf-8")
            for file in [*modules_of_tests().values(), *product_files(), ROOT / "Makefile"]
        }
        texts[ROOT / "pyproject.toml"] = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        for name, file in modules_of_tests().items():
            if self._is_elsewhere(name) or file.name.startswith(("__", "test_")):
                continue
            if any(name in found for found in imports_of_tests().values()):
                continue
            # Programs are started by module name or file.
            others = (text for other, text in texts.items() if other != file)
            assert any(name in text or f'"{file.name}"' in text for text in others), name

    def _is_collected(self, name: str) -> bool:
        return name.rpartition(".")[2].startswith(("test_", "conftest"))

    def _is_elsewhere(self, name: str) -> bool:
        return not f"{name}.".startswith("tests.support.") and name != "tests"

    def _is_program(self, package: str) -> bool:
        """Whether a package is a program, which tests of other packages may import."""
        while package and f"{package}.__main__" not in modules_of_tests():
            package = package.rpartition(".")[0]
        return bool(package)
