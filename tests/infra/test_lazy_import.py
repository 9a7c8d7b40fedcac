"""Packages that are imported when they are first used."""

import subprocess
import sys

import pytest

from infra.lazy_import import LazyModule

# What the help of a command group may not import: each takes more than 0.1 s of it.
_SLOW = ("alembic", "stripe", "scipy", "litestar", "pandas", "statsmodels", "onnxruntime")
_HELP = """
import sys
from gateway.cli import build_app
sys.argv = ["maas", "{command}", "--help"]
try:
    build_app()()
finally:
    print([name for name in {slow} if name in sys.modules], file=sys.stderr)
"""


class TestLazyModule:
    def test_gives_attributes_and_modules_of_the_package(self) -> None:
        email = LazyModule("email")
        assert email.message_from_string("a: 1")["a"] == "1"
        assert email.mime.__name__ == "email.mime"

    def test_a_private_name_is_not_there_and_imports_nothing(self) -> None:
        assert not hasattr(LazyModule("no_such_package"), "__wrapped__")

    def test_a_package_that_is_not_installed_is_told_when_it_is_used(self) -> None:
        missing = LazyModule("no_such_package")
        with pytest.raises(ImportError):
            missing.anything()


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    "command", ["plans", "models", "files", "reconcile", "invoices", "demo", "usage", "accounts"]
)
def test_help_of_a_command_group_imports_no_slow_package(command: str) -> None:
    code = _HELP.format(command=command, slow=_SLOW)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr.strip().endswith("[]"), run.stderr
