"""Variants in a folder: whole or not there, bounded, and never a reason to fail."""

import os
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from serving.variant_folder import MAX_UNUSED_S, VariantFolder, is_variant_id

ONE, TWO, THREE = (f"var_{number:032x}" for number in range(3))
KIBIBYTE = b"x" * 1024


@pytest.fixture
def folder(tmp_path: Path) -> VariantFolder:
    return VariantFolder(tmp_path)


def aged(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def write_and_die(path: Path) -> None:
    """Killed between the first byte of the file and its last."""
    os.replace = Path.replace = lambda *_: os._exit(9)  # type: ignore[assignment, method-assign]
    VariantFolder(path).write(ONE, KIBIBYTE)


class TestKeeping:
    def test_another_process_reads_what_one_wrote(self, tmp_path: Path) -> None:
        VariantFolder(tmp_path).write(ONE, b"some")
        assert VariantFolder(tmp_path).read(ONE) == b"some"
        assert VariantFolder(tmp_path).read(TWO) is None

    def test_removed(self, folder: VariantFolder) -> None:
        folder.write(ONE, b"some")
        folder.remove(ONE)
        folder.remove(ONE)
        assert folder.read(ONE) is None

    @pytest.mark.parametrize("whole", [0, 10, 40])
    def test_a_file_that_lost_its_end_is_none(
        self, folder: VariantFolder, tmp_path: Path, whole: int
    ) -> None:
        folder.write(ONE, KIBIBYTE)
        os.truncate(tmp_path / ONE, whole)
        assert folder.read(ONE) is None
        assert not (tmp_path / ONE).exists()

    def test_a_file_of_zeros_is_none(self, folder: VariantFolder, tmp_path: Path) -> None:
        """What a file system may show of one that was written just before the power went."""
        (tmp_path / ONE).write_bytes(bytes(1024))
        assert folder.read(ONE) is None

    @pytest.mark.usefixtures("processes")
    def test_killed_while_writing(self, folder: VariantFolder, tmp_path: Path) -> None:
        child = get_context("fork").Process(target=write_and_die, args=(tmp_path,))
        child.start()
        child.join(10)
        assert child.exitcode == 9
        (left,) = tmp_path.iterdir()
        assert folder.read(ONE) is None
        folder.write(ONE, b"some")
        assert folder.read(ONE) == b"some"
        # What was left behind goes like any other that nobody uses.
        aged(left, MAX_UNUSED_S + 60)
        folder.remove_unused()
        assert [path.name for path in tmp_path.iterdir()] == [ONE]


class TestRoom:
    def test_those_used_longest_ago_go_first(self, tmp_path: Path) -> None:
        folder = VariantFolder(tmp_path, max_bytes=2500)
        folder.write(ONE, KIBIBYTE)
        folder.write(TWO, KIBIBYTE)
        aged(tmp_path / ONE, 20)
        aged(tmp_path / TWO, 10)
        assert folder.read(ONE) is not None
        folder.write(THREE, KIBIBYTE)
        assert {path.name for path in tmp_path.iterdir()} == {ONE, THREE}

    def test_one_too_large_for_all_the_room(self, tmp_path: Path) -> None:
        folder = VariantFolder(tmp_path, max_bytes=100)
        folder.write(ONE, KIBIBYTE)
        assert folder.read(ONE) is None

    def test_what_nobody_asked_for_in_a_day(self, folder: VariantFolder, tmp_path: Path) -> None:
        folder.write(ONE, b"deleted by its customer")
        folder.write(TWO, b"used")
        for name in (ONE, TWO):
            aged(tmp_path / name, MAX_UNUSED_S + 60)
        assert folder.read(TWO) is not None
        folder.remove_unused()
        assert [path.name for path in tmp_path.iterdir()] == [TWO]


class TestFailing:
    def test_without_a_folder(self, tmp_path: Path) -> None:
        folder = VariantFolder(tmp_path / "gone")
        folder.write(ONE, b"some")
        folder.remove_unused()
        folder.remove(ONE)
        assert folder.read(ONE) is None

    def test_a_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        device = Path("/dev/full")
        if not device.exists():
            pytest.skip("needs /dev/full, a device that is always full")
        path = tmp_path / "tmp"
        path.symlink_to(device)
        monkeypatch.setattr(
            "serving.variant_folder.tempfile.mkstemp",
            lambda dir: (os.open(path, os.O_WRONLY), str(path)),
        )
        folder = VariantFolder(tmp_path)
        folder.write(ONE, KIBIBYTE)
        assert folder.read(ONE) is None
        assert list(tmp_path.iterdir()) == []
        assert device.exists()


@pytest.mark.parametrize(
    ("text", "good"),
    [(ONE, True), ("var_", False), ("plain", False), ("var_../x", False), ("var_\0", False),
     ("var_" + "a" * 65, False), ("var_a\n", False)],
)  # fmt: skip
def test_an_id_is_a_files_name(text: str, good: bool) -> None:
    assert is_variant_id(text) is good
