"""Packages that are imported on first use."""

import subprocess
import sys

import pytest

from infra.lazy_import import LazyModule

# Packages that the help of a command group may not import: each takes more than 0.1 s.
_SLOW = ("alembic", "stripe", "scipy", "litestar", "pandas", "statsmodels", "onnxruntime")
_GROUPS = ("plans", "models", "files", "reconcile", "invoices", "demo", "usage", "accounts")
# One process for all groups: imports of one group are visible in the next ones.
_HELP = f"""
import sys
from typer.testing import CliRunner
from gateway.cli.main import build_app
for group in {_GROUPS}:
    done = CliRunner().invoke(build_app(), [group, "--help"])
    print(group, done.exit_code, [name for name in {_SLOW} if name in sys.modules])
"""


class TestLazyModule:
    def test_attributes_and_submodules_of_the_package_are_returned(self) -> None:
        email = LazyModule("email")
        assert email.message_from_string("a: 1")["a"] == "1"
        assert email.mime.__name__ == "email.mime"

    def test_private_name_is_absent_without_an_import(self) -> None:
        assert not hasattr(LazyModule("no_such_package"), "__wrapped__")

    def test_missing_package_raises_import_error_on_first_use(self) -> None:
        missing = LazyModule("no_such_package")
        with pytest.raises(ImportError):
            missing.anything()


@pytest.mark.usefixtures("processes")
def test_help_of_each_command_group_imports_no_slow_package() -> None:
    run = subprocess.run([sys.executable, "-c", _HELP], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [f"{group} 0 []" for group in _GROUPS]
