"""The folder of variants: atomic writes, size limit, and tolerance of disk errors."""

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
    """Exit between the first and the last byte of the file."""
    os.replace = Path.replace = lambda *_: os._exit(9)  # type: ignore[assignment, method-assign]
    VariantFolder(path).write(ONE, KIBIBYTE)


class TestStoredVariants:
    def test_second_instance_reads_stored_variant(self, tmp_path: Path) -> None:
        VariantFolder(tmp_path).write(ONE, b"some")
        assert VariantFolder(tmp_path).read(ONE) == b"some"
        assert VariantFolder(tmp_path).read(TWO) is None

    def test_removed_variant_is_not_found(self, folder: VariantFolder) -> None:
        folder.write(ONE, b"some")
        folder.remove(ONE)
        folder.remove(ONE)
        assert folder.read(ONE) is None

    @pytest.mark.parametrize("whole", [0, 10, 40])
    def test_truncated_file_is_deleted_and_not_returned(
        self, folder: VariantFolder, tmp_path: Path, whole: int
    ) -> None:
        folder.write(ONE, KIBIBYTE)
        os.truncate(tmp_path / ONE, whole)
        assert folder.read(ONE) is None
        assert not (tmp_path / ONE).exists()

    def test_file_of_zeros_is_not_returned(self, folder: VariantFolder, tmp_path: Path) -> None:
        """Some file systems leave such a file after a power failure."""
        (tmp_path / ONE).write_bytes(bytes(1024))
        assert folder.read(ONE) is None

    @pytest.mark.usefixtures("processes")
    def test_process_killed_during_write_leaves_no_partial_variant(
        self, folder: VariantFolder, tmp_path: Path
    ) -> None:
        child = get_context("fork").Process(target=write_and_die, args=(tmp_path,))
        child.start()
        child.join(10)
        assert child.exitcode == 9
        (left,) = tmp_path.iterdir()
        assert folder.read(ONE) is None
        folder.write(ONE, b"some")
        assert folder.read(ONE) == b"some"
        # The temporary file is removed like any unused file.
        aged(left, MAX_UNUSED_S + 60)
        folder.remove_unused()
        assert [path.name for path in tmp_path.iterdir()] == [ONE]


class TestEviction:
    def test_least_recently_used_variants_are_evicted_first(self, tmp_path: Path) -> None:
        folder = VariantFolder(tmp_path, max_bytes=2500)
        folder.write(ONE, KIBIBYTE)
        folder.write(TWO, KIBIBYTE)
        aged(tmp_path / ONE, 20)
        aged(tmp_path / TWO, 10)
        assert folder.read(ONE) is not None
        folder.write(THREE, KIBIBYTE)
        assert {path.name for path in tmp_path.iterdir()} == {ONE, THREE}

    def test_variant_over_size_limit_is_not_stored(self, tmp_path: Path) -> None:
        folder = VariantFolder(tmp_path, max_bytes=100)
        folder.write(ONE, KIBIBYTE)
        assert folder.read(ONE) is None

    def test_variants_unused_for_a_day_are_removed(
        self, folder: VariantFolder, tmp_path: Path
    ) -> None:
        folder.write(ONE, b"deleted by its customer")
        folder.write(TWO, b"used")
        for name in (ONE, TWO):
            aged(tmp_path / name, MAX_UNUSED_S + 60)
        assert folder.read(TWO) is not None
        folder.remove_unused()
        assert [path.name for path in tmp_path.iterdir()] == [TWO]


class TestStorageFailure:
    def test_missing_folder_raises_no_error(self, tmp_path: Path) -> None:
        folder = VariantFolder(tmp_path / "gone")
        folder.write(ONE, b"some")
        folder.remove_unused()
        folder.remove(ONE)
        assert folder.read(ONE) is None

    def test_full_disk_stores_no_variant(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
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
def test_variant_id_must_be_a_valid_file_name(text: str, good: bool) -> None:
    assert is_variant_id(text) is good


class TestDeletion:
    def test_other_instance_lists_deleted_variant(self, tmp_path: Path) -> None:
        folder = VariantFolder(tmp_path)
        folder.write(ONE, b"some")
        folder.mark_deleted(ONE)
        other = VariantFolder(tmp_path)
        assert other.read(ONE) is None
        assert other.list_deleted() == {ONE}

    def test_marker_is_removed_after_a_day(self, folder: VariantFolder, tmp_path: Path) -> None:
        folder.mark_deleted(ONE)
        old = time.time() - MAX_UNUSED_S - 1
        (marker,) = tmp_path.iterdir()
        os.utime(marker, (old, old))
        folder.remove_unused()
        assert folder.list_deleted() == frozenset()
