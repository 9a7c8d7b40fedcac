"""Weights: verification, conversion once, and atomic creation of folders."""

import errno
import fcntl
import hashlib
import multiprocessing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from models.catalog import Model, Task, Weights, load_catalog
from models.extras import is_installed
from serving.errors import WeightsBroken
from serving.weights import conversion as conversion_module
from serving.weights import weights as subject
from serving.weights.conversion import GgufConversion, weights_folder
from serving.weights.files import ReportProgress, create_folder_once, join_parts
from serving.weights.packages import gguf_parts, package_file, package_folder
from serving.weights.weights import obtain_weights
from tests.support.profile import PROFILE

PIECES = (b"first ", b"second ", b"third")
DIGEST = hashlib.sha256(b"".join(PIECES)).hexdigest()


def model(kind: str, source: str, **changes: str | None) -> Model:
    return Model(
        id="maker/model",
        task=Task.TEXT_GENERATION,
        profiles=("cpu",),
        description="",
        licence="",
        weights=Weights(kind, source, **changes),
        prices=MappingProxyType({}),
    )


def silent(message: str, fraction: float | None) -> None:
    pass


class Conversion:
    """A fake conversion: records its calls and writes a file, or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.read: list[bytes] = []
        self.conversions: list[GgufConversion] = []
        self.failure = failure

    @property
    def ends(self) -> list[tuple[str, ...]]:
        return [conversion.turn_ends for conversion in self.conversions]

    def __call__(self, conversion: GgufConversion, report: ReportProgress) -> None:
        self.read.append(conversion.gguf.read_bytes())
        self.conversions.append(conversion)
        (conversion.folder / "model.safetensors").write_bytes(b"converted")
        if self.failure is not None:
            raise self.failure
        report("converted", 1.0)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package whose GGUF comes in three further packages."""
    site = tmp_path / "site"
    (site / "tiny_gguf").mkdir(parents=True)
    (site / "tiny_gguf" / "__init__.py").write_text("raise AssertionError('imported')")
    for number, piece in enumerate(PIECES, start=1):
        data = site / f"tiny_gguf_part{number}" / "data"
        data.mkdir(parents=True)
        (data.parent / "__init__.py").write_text("raise AssertionError('imported')")
        (data / f"tiny.gguf.part0{number - 1}").write_bytes(piece)
    monkeypatch.syspath_prepend(str(site))
    return "tiny_gguf"


class TestWeightPackages:
    def test_parts_are_ordered_without_import(self, package: str) -> None:
        assert [part.read_bytes() for part in gguf_parts(package)] == list(PIECES)

    def test_missing_package_raises_weights_broken(self) -> None:
        with pytest.raises(WeightsBroken, match="not installed"):
            package_folder("no_such_package_here")

    def test_package_without_file_raises_weights_broken(self, package: str) -> None:
        with pytest.raises(WeightsBroken, match=r"does not contain model\.onnx"):
            package_file(package, "model.onnx")

    def test_package_without_parts_raises_weights_broken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "lonely").mkdir()
        (tmp_path / "lonely" / "__init__.py").touch()
        monkeypatch.syspath_prepend(str(tmp_path))
        with pytest.raises(WeightsBroken, match="parts"):
            gguf_parts("lonely")


class TestGgufConversion:
    def test_weights_are_converted_once(self, package: str, tmp_path: Path) -> None:
        wanted = model("gguf-package", package, sha256=DIGEST)
        conversion = Conversion()
        said: list[float | None] = []
        first = obtain_weights(
            wanted, tmp_path, lambda _, fraction: said.append(fraction), conversion
        )
        assert conversion.read == [b"".join(PIECES)]
        assert said[-1] == 1.0
        again = obtain_weights(wanted, tmp_path, silent, conversion)
        assert again == first
        assert len(conversion.read) == 1
        folder = Path(first.source)
        assert [path.name for path in folder.iterdir()] == ["model.safetensors"]
        assert folder.name.startswith("maker--model-")

    def test_wrong_digest_is_rejected_before_conversion(self, package: str, tmp_path: Path) -> None:
        conversion = Conversion()
        with pytest.raises(WeightsBroken, match="SHA-256"):
            obtain_weights(
                model("gguf-package", package, sha256="0" * 64), tmp_path, silent, conversion
            )
        assert not conversion.read
        assert not list((tmp_path / "weights").glob("maker*"))

    def test_failed_conversion_leaves_no_folder(self, package: str, tmp_path: Path) -> None:
        wanted = model("gguf-package", package, sha256=DIGEST)
        with pytest.raises(WeightsBroken, match="no good"):
            obtain_weights(wanted, tmp_path, silent, Conversion(WeightsBroken("no good")))
        assert not weights_folder(wanted, tmp_path).exists()
        obtain_weights(wanted, tmp_path, silent, Conversion())
        assert weights_folder(wanted, tmp_path).is_dir()

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    def test_full_disk_raises_weights_broken(
        self, package: str, tmp_path: Path, number: int
    ) -> None:
        wanted = model("gguf-package", package, sha256=DIGEST)
        with pytest.raises(WeightsBroken, match="disk is full"):
            obtain_weights(wanted, tmp_path, silent, Conversion(OSError(number, "full")))

    def test_other_disk_error_is_raised_unchanged(self, package: str, tmp_path: Path) -> None:
        wanted = model("gguf-package", package, sha256=DIGEST)
        with pytest.raises(OSError, match="broken"):
            obtain_weights(wanted, tmp_path, silent, Conversion(OSError(errno.EIO, "broken")))

    def test_chat_template_and_turn_ends_are_applied(
        self, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(conversion_module, "MODELS_FOLDER", tmp_path)
        (tmp_path / "talk.jinja").write_text("{{ bos_token }}")
        (tmp_path / "talk.json").write_text('{"turn_ends": ["\\n\\n"]}')
        conversion = Conversion()
        wanted = model("gguf-package", package, sha256=DIGEST, chat_template="talk.jinja")
        folder = Path(obtain_weights(wanted, tmp_path, silent, conversion).source)
        assert conversion.ends == [("\n\n",)]
        assert (folder / "chat_template.jinja").read_text() == "{{ bos_token }}"
        (tmp_path / "talk.jinja").write_text("{{ bos_token }}changed")
        assert weights_folder(wanted, tmp_path) != folder

    def test_other_chat_template_replaces_that_of_downloaded_weights(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A plant without a connection starts after an update: nothing is downloaded again."""
        monkeypatch.setattr(conversion_module, "MODELS_FOLDER", tmp_path)
        source = "maker/repository/file.gguf"
        folder = weights_folder(model("gguf", source, sha256=DIGEST), tmp_path)
        folder.mkdir(parents=True)
        (folder / "chat_template.jinja").write_text("of the maker")
        wanted = model("gguf", source, sha256=DIGEST, chat_template="talk.jinja")
        for text in ("ours", "ours, changed"):
            (tmp_path / "talk.jinja").write_text(text)
            conversion = Conversion()
            found = Path(obtain_weights(wanted, tmp_path, silent, conversion).source)
            assert (found, conversion.read) == (folder, [])
            assert [path.name for path in folder.iterdir()] == ["chat_template.jinja"]
            assert (folder / "chat_template.jinja").read_text() == text

    def test_missing_chat_template_raises_weights_broken(
        self, package: str, tmp_path: Path
    ) -> None:
        wanted = model("gguf-package", package, sha256=DIGEST, chat_template="none.jinja")
        with pytest.raises(WeightsBroken, match="template"):
            obtain_weights(wanted, tmp_path, silent, Conversion())


class TestFolderCreation:
    def test_partial_folder_of_killed_process_is_discarded(self, tmp_path: Path) -> None:
        half = tmp_path / ".done.partial"
        half.mkdir()
        (half / "half").write_bytes(b"half")
        with create_folder_once(tmp_path / "done") as scratch:
            assert scratch is not None
            assert not list(scratch.iterdir())
            (scratch / "whole").write_bytes(b"whole")
        assert [path.name for path in (tmp_path / "done").iterdir()] == ["whole"]
        assert not half.exists()

    def test_existing_folder_is_not_created_again(self, tmp_path: Path) -> None:
        (tmp_path / "done").mkdir()
        with create_folder_once(tmp_path / "done") as scratch:
            assert scratch is None

    def test_concurrent_processes_create_folder_once(self, tmp_path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        made = context.Queue()
        both = [context.Process(target=_make, args=(tmp_path / "done", made)) for _ in range(2)]
        for process in both:
            process.start()
        for process in both:
            process.join(30)
        assert sorted([made.get(timeout=5), made.get(timeout=5)]) == [False, True]

    def test_creation_locks_with_kernel_file_lock(self, tmp_path: Path) -> None:
        with create_folder_once(tmp_path / "done"), (tmp_path / ".done.lock").open("w") as lock:
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _make(folder: Path, made: "multiprocessing.Queue[bool]") -> None:
    with create_folder_once(folder) as scratch:
        if scratch is not None:
            (scratch / "file").write_bytes(b"x" * (1 << 20))
        made.put(scratch is not None)


class TestWeightSources:
    def test_hub_id_passes_through(self, tmp_path: Path) -> None:
        obtained = obtain_weights(model("hub", "maker/model"), tmp_path, silent, Conversion())
        assert (obtained.source, obtained.local) == ("maker/model", False)

    def test_local_folder_passes_through(self, tmp_path: Path) -> None:
        obtained = obtain_weights(model("hub", str(tmp_path)), tmp_path, silent, Conversion())
        assert (obtained.source, obtained.local) == (str(tmp_path), True)

    def test_artefact_is_verified_by_digest(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(subject, "MODELS_FOLDER", tmp_path)
        (tmp_path / "a.onnx").write_bytes(b"artefact")
        wanted = model("artefact", "a.onnx", sha256=hashlib.sha256(b"artefact").hexdigest())
        assert obtain_weights(wanted, tmp_path, silent, Conversion()).source == str(
            tmp_path / "a.onnx"
        )
        changed = replace(wanted, weights=Weights("artefact", "a.onnx", sha256="0" * 64))
        with pytest.raises(WeightsBroken, match="damaged"):
            obtain_weights(changed, tmp_path, silent, Conversion())

    def test_adapter_must_be_complete_and_match_digest(self, tmp_path: Path) -> None:
        folder = tmp_path / "plant"
        folder.mkdir()
        (folder / "adapter_config.json").write_text("{}")
        with pytest.raises(WeightsBroken, match="adapter_model"):
            obtain_weights(model("adapter", str(folder)), tmp_path, silent, Conversion())
        (folder / "adapter_model.safetensors").write_bytes(b"weights")
        given = model("adapter", str(folder), sha256=hashlib.sha256(b"weights").hexdigest())
        assert obtain_weights(given, tmp_path, silent, Conversion()).source == str(folder)
        with pytest.raises(WeightsBroken, match="damaged"):
            obtain_weights(
                model("adapter", str(folder), sha256="0" * 64), tmp_path, silent, Conversion()
            )

    def test_missing_artefact_raises_weights_broken(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsBroken, match="missing"):
            obtain_weights(model("artefact", "none.onnx"), tmp_path, silent, Conversion())

    def test_unknown_kind_raises_weights_broken(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsBroken, match="unknown"):
            obtain_weights(model("torrent", "x"), tmp_path, silent, Conversion())


class TestPartAssembly:
    def test_progress_reaches_100_percent(self, package: str, tmp_path: Path) -> None:
        said: list[float | None] = []
        target = tmp_path / "whole"
        join_parts(gguf_parts(package), target, DIGEST, lambda _, fraction: said.append(fraction))
        assert target.read_bytes() == b"".join(PIECES)
        assert said[-1] == 1.0


class TestVisionBackbone:
    def test_vision_model_is_available_if_package_is_installed(self) -> None:
        assert not is_installed(model("vision-package", "no_such_package"))
        assert is_installed(model("vision-package", "numpy"))
        assert is_installed(model("fitted", "no_such_package"))

    @pytest.mark.usefixtures("processes")
    def test_backbone_is_converted_once(self, tmp_path: Path) -> None:
        (sold,) = load_catalog(PROFILE).with_task(Task.IMAGE_CLASSIFICATION)
        if not is_installed(sold):
            pytest.skip("needs the vision extra")
        convert = Conversion()
        first = Path(obtain_weights(sold, tmp_path, silent, convert).source)
        made = first.stat().st_mtime_ns
        assert Path(obtain_weights(sold, tmp_path, silent, convert).source) == first
        assert first.stat().st_mtime_ns == made

    @pytest.mark.usefixtures("processes")
    def test_failed_backbone_conversion_raises_weights_broken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package = model("vision-package", "no_such_package")
        monkeypatch.setattr(subject, "_BACKBONE_MODULE", "no.such.module")
        with pytest.raises(WeightsBroken, match="backbone"):
            obtain_weights(package, tmp_path, silent, Conversion())
        assert not weights_folder(package, tmp_path).exists()

    def test_catalog_filter_removes_vision_model(self) -> None:
        whole = load_catalog(PROFILE)
        rest = whole.filter(lambda one: one.task is not Task.IMAGE_CLASSIFICATION)
        assert len(rest.models) == len(whole.models) - 1
