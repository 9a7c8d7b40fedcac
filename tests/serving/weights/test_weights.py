"""Weights: verified, converted once, and never half there."""

import errno
import fcntl
import hashlib
import multiprocessing
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from models.catalog import Model, Task, Weights, load_catalog
from models.extras import is_installed
from serving.errors import WeightsBroken
from serving.weights import weights as subject
from serving.weights.packages import gguf_parts, package_file, package_folder
from serving.weights.weights import (
    ReportProgress,
    create_folder_once,
    join_parts,
    obtain_weights,
    weights_folder,
)

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
    """Stands for the real one: remembers its calls and writes a file, or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.read: list[bytes] = []
        self.ends: list[Sequence[str]] = []
        self.failure = failure

    def __call__(
        self, gguf: Path, folder: Path, ends: Sequence[str], report: ReportProgress
    ) -> None:
        self.read.append(gguf.read_bytes())
        self.ends.append(ends)
        (folder / "model.safetensors").write_bytes(b"converted")
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


class TestPackages:
    def test_parts_in_order_without_importing(self, package: str) -> None:
        assert [part.read_bytes() for part in gguf_parts(package)] == list(PIECES)

    def test_not_installed(self) -> None:
        with pytest.raises(WeightsBroken, match="not installed"):
            package_folder("no_such_package_here")

    def test_without_the_file(self, package: str) -> None:
        with pytest.raises(WeightsBroken, match=r"does not contain model\.onnx"):
            package_file(package, "model.onnx")

    def test_without_parts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "lonely").mkdir()
        (tmp_path / "lonely" / "__init__.py").touch()
        monkeypatch.syspath_prepend(str(tmp_path))
        with pytest.raises(WeightsBroken, match="parts"):
            gguf_parts("lonely")


class TestConversion:
    def test_once(self, package: str, tmp_path: Path) -> None:
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

    def test_damaged(self, package: str, tmp_path: Path) -> None:
        conversion = Conversion()
        with pytest.raises(WeightsBroken, match="SHA-256"):
            obtain_weights(
                model("gguf-package", package, sha256="0" * 64), tmp_path, silent, conversion
            )
        assert not conversion.read
        assert not list((tmp_path / "weights").glob("maker*"))

    def test_a_failure_leaves_nothing(self, package: str, tmp_path: Path) -> None:
        wanted = model("gguf-package", package, sha256=DIGEST)
        with pytest.raises(WeightsBroken, match="no good"):
            obtain_weights(wanted, tmp_path, silent, Conversion(WeightsBroken("no good")))
        assert not weights_folder(wanted, tmp_path).exists()
        obtain_weights(wanted, tmp_path, silent, Conversion())
        assert weights_folder(wanted, tmp_path).is_dir()

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    def test_a_full_disk_in_plain_words(self, package: str, tmp_path: Path, number: int) -> None:
        wanted = model("gguf-package", package, sha256=DIGEST)
        with pytest.raises(WeightsBroken, match="disk is full"):
            obtain_weights(wanted, tmp_path, silent, Conversion(OSError(number, "full")))

    def test_another_failure_of_the_disk_is_itself(self, package: str, tmp_path: Path) -> None:
        wanted = model("gguf-package", package, sha256=DIGEST)
        with pytest.raises(OSError, match="broken"):
            obtain_weights(wanted, tmp_path, silent, Conversion(OSError(errno.EIO, "broken")))

    def test_template_and_ends(
        self, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(subject, "MODELS_FOLDER", tmp_path)
        (tmp_path / "talk.jinja").write_text("{{ bos_token }}")
        (tmp_path / "talk.json").write_text('{"turn_ends": ["\\n\\n"]}')
        conversion = Conversion()
        wanted = model("gguf-package", package, sha256=DIGEST, chat_template="talk.jinja")
        folder = Path(obtain_weights(wanted, tmp_path, silent, conversion).source)
        assert conversion.ends == [("\n\n",)]
        assert (folder / "chat_template.jinja").read_text() == "{{ bos_token }}"
        (tmp_path / "talk.jinja").write_text("{{ bos_token }}changed")
        assert weights_folder(wanted, tmp_path) != folder

    def test_a_missing_template(self, package: str, tmp_path: Path) -> None:
        wanted = model("gguf-package", package, sha256=DIGEST, chat_template="none.jinja")
        with pytest.raises(WeightsBroken, match="template"):
            obtain_weights(wanted, tmp_path, silent, Conversion())


class TestMaking:
    def test_what_a_killed_process_left_is_not_used(self, tmp_path: Path) -> None:
        half = tmp_path / ".done.partial"
        half.mkdir()
        (half / "half").write_bytes(b"half")
        with create_folder_once(tmp_path / "done") as scratch:
            assert scratch is not None
            assert not list(scratch.iterdir())
            (scratch / "whole").write_bytes(b"whole")
        assert [path.name for path in (tmp_path / "done").iterdir()] == ["whole"]
        assert not half.exists()

    def test_nothing_to_do(self, tmp_path: Path) -> None:
        (tmp_path / "done").mkdir()
        with create_folder_once(tmp_path / "done") as scratch:
            assert scratch is None

    def test_two_at_once_make_it_once(self, tmp_path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        made = context.Queue()
        both = [context.Process(target=_make, args=(tmp_path / "done", made)) for _ in range(2)]
        for process in both:
            process.start()
        for process in both:
            process.join(30)
        assert sorted([made.get(timeout=5), made.get(timeout=5)]) == [False, True]

    def test_the_lock_is_the_kernels(self, tmp_path: Path) -> None:
        with create_folder_once(tmp_path / "done"), (tmp_path / ".done.lock").open("w") as lock:
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _make(folder: Path, made: "multiprocessing.Queue[bool]") -> None:
    with create_folder_once(folder) as scratch:
        if scratch is not None:
            (scratch / "file").write_bytes(b"x" * (1 << 20))
        made.put(scratch is not None)


class TestOthers:
    def test_a_hub_id_passes_through(self, tmp_path: Path) -> None:
        obtained = obtain_weights(model("hub", "maker/model"), tmp_path, silent, Conversion())
        assert (obtained.source, obtained.local) == ("maker/model", False)

    def test_a_local_folder_passes_through(self, tmp_path: Path) -> None:
        obtained = obtain_weights(model("hub", str(tmp_path)), tmp_path, silent, Conversion())
        assert (obtained.source, obtained.local) == (str(tmp_path), True)

    def test_an_artefact(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(subject, "MODELS_FOLDER", tmp_path)
        (tmp_path / "a.onnx").write_bytes(b"artefact")
        wanted = model("artefact", "a.onnx", sha256=hashlib.sha256(b"artefact").hexdigest())
        assert obtain_weights(wanted, tmp_path, silent, Conversion()).source == str(
            tmp_path / "a.onnx"
        )
        changed = replace(wanted, weights=Weights("artefact", "a.onnx", sha256="0" * 64))
        with pytest.raises(WeightsBroken, match="damaged"):
            obtain_weights(changed, tmp_path, silent, Conversion())

    def test_an_adapter_is_whole(self, tmp_path: Path) -> None:
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

    def test_an_artefact_that_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsBroken, match="missing"):
            obtain_weights(model("artefact", "none.onnx"), tmp_path, silent, Conversion())

    def test_an_unknown_kind(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsBroken, match="unknown"):
            obtain_weights(model("torrent", "x"), tmp_path, silent, Conversion())


class TestAssembling:
    def test_progress_reaches_the_end(self, package: str, tmp_path: Path) -> None:
        said: list[float | None] = []
        target = tmp_path / "whole"
        join_parts(gguf_parts(package), target, DIGEST, lambda _, fraction: said.append(fraction))
        assert target.read_bytes() == b"".join(PIECES)
        assert said[-1] == 1.0


class TestBackbone:
    def test_is_served_where_its_package_is(self) -> None:
        assert not is_installed(model("vision-package", "no_such_package"))
        assert is_installed(model("vision-package", "numpy"))
        assert is_installed(model("fitted", "no_such_package"))

    @pytest.mark.usefixtures("processes")
    def test_is_converted_once(self, tmp_path: Path) -> None:
        (sold,) = load_catalog("cpu").with_task(Task.IMAGE_CLASSIFICATION)
        if not is_installed(sold):
            pytest.skip("needs the vision extra")
        convert = Conversion()
        first = Path(obtain_weights(sold, tmp_path, silent, convert).source)
        made = first.stat().st_mtime_ns
        assert Path(obtain_weights(sold, tmp_path, silent, convert).source) == first
        assert first.stat().st_mtime_ns == made

    @pytest.mark.usefixtures("processes")
    def test_what_cannot_be_converted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package = model("vision-package", "no_such_package")
        monkeypatch.setattr(subject, "_BACKBONE_MODULE", "no.such.module")
        with pytest.raises(WeightsBroken, match="backbone"):
            obtain_weights(package, tmp_path, silent, Conversion())
        assert not weights_folder(package, tmp_path).exists()

    def test_a_catalog_without_it(self) -> None:
        whole = load_catalog("cpu")
        rest = whole.filter(lambda one: one.task is not Task.IMAGE_CLASSIFICATION)
        assert len(rest.models) == len(whole.models) - 1
