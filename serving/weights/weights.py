"""Weights: obtained, verified and converted once into the data directory.

Owns where each model's files lie afterwards, and that a half-made folder is never taken for a whole
one.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.processes import start_module, stop_process
from models.catalog import CATALOG_FILE, Model, Weights
from serving.errors import WeightsBroken
from serving.weights.packages import gguf_parts, package_file

MODELS_FOLDER = CATALOG_FILE.parent
# Part of the folder's name: raise it when the conversion changes, and folders are made anew.
_RECIPE = "1"
_BLOCK = 1 << 20
# As peft writes it and vLLM takes it.
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
_ENCODER = "e5-small-q4.bin"
_BACKBONE, _GRAPH, _PATIENCE_S = "models.surface_defect.conversion", "backbone.onnx", 300.0

Report = Callable[[str, float | None], None]
"""Called with plain words and how far it is, from 0 to 1 (None: cannot tell)."""

Convert = Callable[[Path, Path, Sequence[str], Report], None]
"""Turns the GGUF file (first path) into what vLLM loads, in the folder (second path).

The texts end the model's turn, beside its own end mark."""


@dataclass(frozen=True, slots=True)
class Obtained:
    """Where a model's weights are. `source` is a path, or a hub id where `local` is false."""

    source: str
    local: bool = True
    tokenizer: Path | None = None


def obtain(model: Model, data_dir: Path, report: Report, convert: Convert) -> Obtained:
    """Have the model's weights ready; does nothing that was done before. Raises WeightsBroken."""
    weights = model.weights
    match weights.kind:
        case "gguf-package":
            return Obtained(str(_converted(model, data_dir, report, convert)))
        case "hub":
            folder = Path(weights.source).expanduser()
            return Obtained(str(folder)) if folder.is_dir() else Obtained(weights.source, False)
        case "onnx-package":
            return _onnx_package(model, data_dir, report)
        case "mechanism":
            return Obtained(weights.source)  # a name: there is nothing to obtain
        case "encoder-package":
            report("Verifying the embedding model", None)
            path = package_file(weights.source, _ENCODER)
            return Obtained(str(_verified(path, weights.sha256)))
        case "vision-package":
            return Obtained(str(_backbone(model, data_dir, report)))
        case "fitted":
            return Obtained("")  # each customer fits its own
        case "adapter":
            return Obtained(str(_adapter(MODELS_FOLDER / weights.source, weights.sha256)))
        case "artefact":
            return Obtained(str(_verified(MODELS_FOLDER / weights.source, weights.sha256)))
    raise WeightsBroken(f"The catalog's weights kind {weights.kind!r} is unknown.")


def folder_of(model: Model, data_dir: Path) -> Path:
    """The model's folder. Its name holds a digest of all that went into it."""
    digest = hashlib.sha256(f"{_RECIPE} {model.weights.sha256}".encode())
    if model.weights.chat_template is not None:
        digest.update(_template(model.weights).read_bytes())
        digest.update(repr(_turn_ends(model.weights)).encode())
    return data_dir / "weights" / f"{model.id.replace('/', '--')}-{digest.hexdigest()[:8]}"


@contextmanager
def making(folder: Path) -> Iterator[Path | None]:
    """A scratch folder that becomes `folder` on success; None where `folder` is there already.

    Only one process makes it; others wait. After a kill the next one starts from nothing, because
    nobody can tell how much of a scratch folder had reached the disk.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            yield None
            return
        scratch = folder.parent / f".{folder.name}.partial"
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            with _disk_full_in_words():
                scratch.mkdir()
                yield scratch
                _flush(scratch)
            scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def assemble(parts: Sequence[Path], target: Path, sha256: str | None, report: Report) -> None:
    """Join `parts` into `target`, checking the digest on the way. Raises WeightsBroken."""
    digest = hashlib.sha256()
    total = sum(part.stat().st_size for part in parts)
    done = 0
    with target.open("wb") as file:
        for part in parts:
            for block in _blocks(part):
                digest.update(block)
                file.write(block)
                done += len(block)
                report("Assembling the weights", done / total)
    _compare(digest.hexdigest(), sha256, target.name)


def _converted(model: Model, data_dir: Path, report: Report, convert: Convert) -> Path:
    folder = folder_of(model, data_dir)
    if folder.is_dir():
        return folder
    weights = model.weights
    with making(folder) as scratch:
        if scratch is not None:
            gguf = scratch / "weights.gguf"
            assemble(gguf_parts(weights.source), gguf, weights.sha256, _part_of(report, 0, 0.1))
            convert(gguf, scratch, _turn_ends(weights), _part_of(report, 0.1, 1))
            gguf.unlink()
            if weights.chat_template is not None:
                shutil.copyfile(_template(weights), scratch / "chat_template.jinja")
    return folder


def _turn_ends(weights: Weights) -> tuple[str, ...]:
    """What ends the model's turn in the form of the chat template, from the file beside it."""
    if weights.chat_template is None:
        return ()
    settings = _template(weights).with_suffix(".json")
    if not settings.is_file():
        return ()
    return tuple(json.loads(settings.read_text(encoding="utf-8"))["turn_ends"])


def _onnx_package(model: Model, data_dir: Path, report: Report) -> Obtained:
    weights = model.weights
    if weights.tokenizer is None:
        raise WeightsBroken(f"The catalog names no tokenizer for {model.id!r}.")
    report("Verifying the embedding model", None)
    path = _verified(package_file(weights.source, "model.onnx"), weights.sha256)
    folder = folder_of(model, data_dir)
    with making(folder) as scratch:
        if scratch is not None:
            _extract(package_file(weights.tokenizer, "model.zip"), "tokenizer.json", scratch)
    return Obtained(str(path), tokenizer=folder / "tokenizer.json")


def _backbone(model: Model, data_dir: Path, report: Report) -> Path:
    folder = folder_of(model, data_dir)
    with making(folder) as scratch:
        if scratch is not None:
            report("Converting the backbone for pictures", None)
            # In a process of its own: it takes torch, which would stay in ours.
            child = start_module(_BACKBONE, [str(scratch / _GRAPH)])
            try:
                if child.wait(_PATIENCE_S) != 0:
                    raise WeightsBroken("The backbone cannot be converted; the log says why.")
            finally:
                stop_process(child, 2.0)
    return folder / _GRAPH


def _adapter(folder: Path, sha256: str | None) -> Path:
    """The folder as the engine takes it; the digest is of the weights."""
    for name in ADAPTER_FILES:
        _verified(folder / name, sha256 if name.endswith(".safetensors") else None)
    return folder


def _extract(archive: Path, member: str, folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as file:
            (folder / member).write_bytes(file.read(member))
    except (zipfile.BadZipFile, KeyError) as error:
        raise WeightsBroken(f"{archive.name} holds no readable {member}.") from error


def _verified(path: Path, sha256: str | None) -> Path:
    if not path.is_file():
        raise WeightsBroken(f"The weights {path.name} are missing.")
    if sha256 is not None:
        digest = hashlib.sha256()
        for block in _blocks(path):
            digest.update(block)
        _compare(digest.hexdigest(), sha256, path.name)
    return path


def _compare(found: str, expected: str | None, name: str) -> None:
    if expected is not None and found != expected:
        raise WeightsBroken(f"{name} is damaged: its sha256 is not the catalog's. Reinstall it.")


def _template(weights: Weights) -> Path:
    path = MODELS_FOLDER / (weights.chat_template or "")
    if not path.is_file():
        raise WeightsBroken(f"The chat template {weights.chat_template!r} is missing.")
    return path


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _part_of(report: Report, start: float, end: float) -> Report:
    def scaled(message: str, fraction: float | None) -> None:
        report(message, None if fraction is None else start + fraction * (end - start))

    return scaled


def _flush(folder: Path) -> None:
    """Onto the disk before the rename: else a power cut leaves a folder of empty files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


@contextmanager
def _disk_full_in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WeightsBroken("The disk is full: the weights need more room.") from error
        raise
