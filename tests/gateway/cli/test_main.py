"""The `maas` command: all commands are available, and each is imported only when it is used."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli.lazy_group import Command
from gateway.cli.main import COMMANDS, build_app
from tests.support.maas_process import MAAS

pytestmark = pytest.mark.usefixtures("processes")

# Each takes 0.5 s or more to import. Only `demo`, `invoices` and `files` may import any of them
# when the command is loaded.
HEAVY = ("scipy", "ray", "torch", "litestar", "vllm", "onnxruntime", "sklearn", "reportlab")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_has_a_help_text(command: Command) -> None:
    done = CliRunner().invoke(build_app(), [command.name, "--help"])
    assert done.exit_code == 0
    assert f"Usage: maas {command.name}" in done.stdout.replace("root", "maas")
    assert "--json" in done.stdout or isinstance(command.load(), typer.Typer)


def test_top_level_help_lists_all_commands() -> None:
    for arguments in ([], ["--help"]):
        shown = CliRunner().invoke(build_app(), arguments).output
        assert [command.name for command in COMMANDS if f"│ {command.name} " not in shown] == []


def test_unknown_command_suggests_a_similar_command() -> None:
    done = CliRunner().invoke(build_app(), ["invoice"])
    assert done.exit_code == 2
    assert "No such command 'invoice'. Did you mean 'invoices'?" in done.output


def test_top_level_help_imports_no_command() -> None:
    script = "import sys; sys.argv = ['maas', '--help']; from gateway.cli.main import main; main()"
    ends = "import atexit, sys; atexit.register(lambda: print('sqlalchemy' in sys.modules)); "
    command = [sys.executable, "-c", ends + script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_only_demo_invoices_and_files_import_slow_libraries() -> None:
    script = (
        "import sys; from gateway.cli.main import COMMANDS\n"
        "for one in COMMANDS:\n"
        "    if one.name not in ('demo', 'invoices', 'files'): one.load()\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_version_option_prints_the_package_version() -> None:
    done = CliRunner().invoke(build_app(), ["--version"])
    assert (done.exit_code, done.output) == (0, f"maas {version('maas-gateway')}\n")


def test_nested_group_help_imports_no_subcommand() -> None:
    script = (
        "import sys, atexit; atexit.register(lambda: print('sqlalchemy' in sys.modules))\n"
        "sys.argv = ['maas', 'outcomes', '--help']; from gateway.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert "Recompute a settlement" in done.stdout


def asked(shell: str, *words: str) -> dict[str, str]:
    """Environment in which a shell requests completions of the last word."""
    line = " ".join(["maas", *words])
    return {
        "_MAAS_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words)),
    }


class TestShellCompletion:
    def complete(self, shell: str, *words: str) -> str:
        done = CliRunner().invoke(build_app(), prog_name="maas", env=asked(shell, *words))
        assert (done.exit_code, done.stderr) == (0, "")
        return done.stdout

    def complete_in_a_process(self, shell: str, *words: str) -> str:
        """As the shell does."""
        environment = {**os.environ, **asked(shell, *words)}
        done = subprocess.run([MAAS], env=environment, capture_output=True, text=True)
        assert done.stderr == ""
        return done.stdout

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_command_names_are_completed(self, shell: str) -> None:
        complete = self.complete_in_a_process if shell == "bash" else self.complete
        shown = complete(shell, "re")
        assert "restore" in shown
        assert "reconcile" in shown
        assert "wallet" not in shown

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_options_of_a_command_are_completed(self, shell: str) -> None:
        assert "--since" in self.complete(shell, "usage", "--s")

    def test_subcommand_names_are_completed(self) -> None:
        assert "provenance" in self.complete("bash", "models", "prov")
        assert "agree" in self.complete("bash", "outcomes", "contracts", "agr")

    @pytest.mark.parametrize(
        ("shell", "file"),
        [
            ("bash", ".bash_completions/maas.sh"),
            ("zsh", ".zfunc/_maas"),
            ("fish", ".config/fish/completions/maas.fish"),
        ],
    )
    def test_install_writes_the_script_of_the_shell(
        self, shell: str, file: str, tmp_path: Path
    ) -> None:
        environment = {
            **os.environ,
            "HOME": str(tmp_path),
            "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
        }
        done = subprocess.run(
            [MAAS, "--install-completion", shell], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "_MAAS_COMPLETE" in (tmp_path / file).read_text()
