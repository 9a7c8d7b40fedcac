"""Frontend files: downloaded from pinned wheels by pip and verified by hash."""

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from infra.frontend_files import FrontendFilesMissing, Wheel, WheelFile, frontend_folder, install

SCRIPT, LICENSE = b"var chart = 1", b"MIT"
METADATA = "Metadata-Version: 2.1\nName: some-charts\nVersion: 1.0\nRequires-Dist: django\n"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """A wheel in a folder that pip uses as the package index."""
    index = tmp_path / "index"
    index.mkdir()
    file = index / "some_charts-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("some_charts/js/chart.js", SCRIPT)
        archive.writestr("some_charts/js/LICENSE", LICENSE)
        archive.writestr("some_charts-1.0.dist-info/METADATA", METADATA)
        archive.writestr(
            "some_charts-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n"
        )
        archive.writestr("some_charts-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    files = (
        WheelFile("chart.js", "chart.js", sha256(SCRIPT)),
        WheelFile("LICENSE", "c/LICENSE", sha256(LICENSE)),
    )
    return Wheel("some-charts", "1.0", sha256(file.read_bytes()), "some_charts/js", files)


@pytest.mark.usefixtures("processes")
def test_files_of_wheel_are_installed_without_its_dependencies(
    wheel: Wheel, tmp_path: Path
) -> None:
    folder = tmp_path / "installed"
    install(folder, [wheel])
    assert frontend_folder(folder, [wheel]) == folder
    assert (folder / "chart.js").read_bytes() == SCRIPT
    assert (folder / "c" / "LICENSE").read_bytes() == LICENSE


@pytest.mark.usefixtures("processes")
def test_damaged_file_is_replaced(wheel: Wheel, tmp_path: Path) -> None:
    (tmp_path / "chart.js").write_bytes(b"half of it")
    install(tmp_path, [wheel])
    assert (tmp_path / "chart.js").read_bytes() == SCRIPT


@pytest.mark.parametrize("pinned", ["wheel", "file"])
@pytest.mark.usefixtures("processes")
def test_content_that_is_not_pinned_is_rejected(wheel: Wheel, tmp_path: Path, pinned: str) -> None:
    other = (
        replace(wheel, sha256=sha256(b"other"))
        if pinned == "wheel"
        else replace(wheel, files=(WheelFile("chart.js", "chart.js", sha256(b"other")),))
    )
    with pytest.raises(FrontendFilesMissing):
        install(tmp_path / "installed", [other])
    assert not (tmp_path / "installed").exists()


@pytest.mark.usefixtures("processes")
def test_unreachable_index_is_reported_with_command_to_repeat(
    wheel: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "absent"))
    with pytest.raises(FrontendFilesMissing, match=r"python -m infra\.frontend_files"):
        install(tmp_path / "installed", [wheel])


def test_missing_file_is_reported_with_command(wheel: Wheel, tmp_path: Path) -> None:
    with pytest.raises(FrontendFilesMissing, match=r"chart\.js is missing. Run `python -m infra"):
        frontend_folder(tmp_path / "installed", [wheel])


def test_installed_files_are_not_downloaded_again(
    wheel: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "absent"))
    (tmp_path / "c").mkdir()
    (tmp_path / "chart.js").write_bytes(SCRIPT)
    (tmp_path / "c" / "LICENSE").write_bytes(LICENSE)
    install(tmp_path, [wheel])  # a unit test: starting pip would fail it
