"""The `maas` command as a whole: every command is found, and only the one that is asked for."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli import COMMANDS, Command, build_app


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_has_a_help_of_its_own(command: Command) -> None:
    done = CliRunner().invoke(build_app([command.name]), [command.name, "--help"])
    assert done.exit_code == 0
    assert f"Usage: maas {command.name}" in done.stdout.replace("root", "maas")
    assert "--json" in done.stdout or isinstance(command.load(), typer.Typer)


def test_the_first_help_names_them_all() -> None:
    for arguments in ([], ["--help"]):
        shown = CliRunner().invoke(build_app(arguments), arguments).output
        assert [command.name for command in COMMANDS if f"│ {command.name} " not in shown] == []


def test_what_is_none_is_told_with_one_like_it() -> None:
    done = CliRunner().invoke(build_app(["invoice"]), ["invoice"])
    assert done.exit_code == 2
    assert "No such command 'invoice'. Did you mean 'invoices'?" in done.output


def test_the_first_help_loads_none_of_them() -> None:
    script = "import sys; sys.argv = ['maas', '--help']; from gateway.cli import main; main()"
    ends = "import atexit, sys; atexit.register(lambda: print('sqlalchemy' in sys.modules)); "
    command = [sys.executable, "-c", ends + script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
