"""The command that obtains weights without serving them."""

from pathlib import Path

import pytest

from models.catalog import CATALOG_FILE
from serving.errors import WeightsBroken
from serving.weights import obtain_command
from tests.support.builders import BEARING_LIFE, INDUSTRIAL
from tests.support.profile import PROFILE

TINY = ("--profile", PROFILE)


def test_weights_command_prints_location(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert obtain_command.main([INDUSTRIAL, *TINY, "--data-dir", str(tmp_path)]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert folder == CATALOG_FILE.parent / "industrial_llm" / "adapter_tiny"
    assert (folder / "adapter_config.json").is_file()
    assert obtain_command.main([BEARING_LIFE, "--data-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "bearing_life\n"


def test_weights_command_rejects_unknown_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        obtain_command.main(["none", "--data-dir", str(tmp_path)])
    assert "no model 'none'" in capsys.readouterr().err


def test_weights_command_prints_error_if_weights_are_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise WeightsBroken("The digest differs.")

    monkeypatch.setattr(obtain_command, "obtain_weights", broken)
    assert obtain_command.main([INDUSTRIAL, *TINY, "--data-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "The digest differs.\n"


def test_weights_command_prints_each_percentage_once(capsys: pytest.CaptureFixture[str]) -> None:
    tell = obtain_command.ProgressPrinter()
    for fraction in (None, 0.101, 0.104, 0.11, 0.11):
        tell("Assembling", fraction)
    assert capsys.readouterr().err == "Assembling\nAssembling 10%\nAssembling 11%\n"
