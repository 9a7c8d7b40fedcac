"""Obtain, verify and convert model weights once into the data directory.

Folders are created atomically, so a partial folder is never used.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.processes import start_module, stop_process
from models.catalog import CATALOG_FILE, Model, Weights
from serving.errors import WeightsBroken
from serving.weights.packages import gguf_parts, package_file

MODELS_FOLDER = CATALOG_FILE.parent
# Part of the folder names: increase it when the conversion changes, to convert again.
_CONVERSION_VERSION = "1"
_BLOCK_BYTES = 1 << 20
# The files that peft writes and vLLM loads.
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
_ENCODER_FILE = "e5-small-q4.bin"
_BACKBONE_MODULE, _BACKBONE_FILE = "models.surface_defect.conversion", "backbone.onnx"
_CONVERSION_TIMEOUT_S = 300.0

ReportProgress = Callable[[str, float | None], None]
"""Called with a message for people and the fraction done, 0 to 1 (None: unknown)."""

ConvertGguf = Callable[[Path, Path, Sequence[str], ReportProgress], None]
"""Converts a GGUF file (first path) into a folder (second path) that vLLM loads.

The strings are turn ends of the chat template, beside the model's own end-of-sequence token."""


@dataclass(frozen=True, slots=True)
class ObtainedWeights:
    """The location of a model's weights: a path, or a Hugging Face id if not `local`."""

    source: str
    local: bool = True


def obtain_weights(
    model: Model, data_dir: Path, report: ReportProgress, convert: ConvertGguf
) -> ObtainedWeights:
    """Obtain a model's weights, converting them if needed, and return their location.

    Does nothing if they are already in `data_dir`. Raises WeightsBroken.
    """
    weights = model.weights
    match weights.kind:
        case "gguf-package":
            return ObtainedWeights(str(_convert_gguf_package(model, data_dir, report, convert)))
        case "hub":
            folder = Path(weights.source).expanduser()
            return (
                ObtainedWeights(str(folder))
                if folder.is_dir()
                else ObtainedWeights(weights.source, False)
            )
        case "mechanism":
            return ObtainedWeights(weights.source)  # a mechanism's name; there are no files
        case "encoder-package":
            report("Verifying the embedding model", None)
            path = package_file(weights.source, _ENCODER_FILE)
            return ObtainedWeights(str(_verify_file(path, weights.sha256)))
        case "vision-package":
            return ObtainedWeights(str(_convert_backbone(model, data_dir, report)))
        case "fitted" | "base":
            return ObtainedWeights("")  # each customer fits a variant; or the base's are used
        case "adapter":
            return ObtainedWeights(
                str(_verify_adapter(MODELS_FOLDER / weights.source, weights.sha256))
            )
        case "artefact":
            return ObtainedWeights(
                str(_verify_file(MODELS_FOLDER / weights.source, weights.sha256))
            )
    raise WeightsBroken(f"The catalog's weights kind {weights.kind!r} is unknown.")


def weights_folder(model: Model, data_dir: Path) -> Path:
    """Return the folder of a model's converted weights; its name has a digest of all inputs."""
    digest = hashlib.sha256(f"{_CONVERSION_VERSION} {model.weights.sha256}".encode())
    if model.weights.chat_template is not None:
        digest.update(_chat_template_path(model.weights).read_bytes())
        digest.update(repr(_read_turn_ends(model.weights)).encode())
    return data_dir / "weights" / f"{model.id.replace('/', '--')}-{digest.hexdigest()[:8]}"


@contextmanager
def create_folder_once(folder: Path) -> Iterator[Path | None]:
    """Yield a scratch folder that is renamed to `folder` on success; None if `folder` exists.

    Other processes wait for a file lock. A scratch folder left by a killed process is deleted,
    because it is unknown how much of it had reached the disk.
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
            with _convert_disk_full_error():
                scratch.mkdir()
                yield scratch
                _fsync_files(scratch)
            scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def join_parts(
    parts: Sequence[Path], target: Path, sha256: str | None, report: ReportProgress
) -> None:
    """Concatenate `parts` into `target`, verifying the SHA-256. Raises WeightsBroken."""
    digest = hashlib.sha256()
    total = sum(part.stat().st_size for part in parts)
    done = 0
    with target.open("wb") as file:
        for part in parts:
            for block in _read_blocks(part):
                digest.update(block)
                file.write(block)
                done += len(block)
                report("Assembling the weights", done / total)
    _require_digest(digest.hexdigest(), sha256, target.name)


def _convert_gguf_package(
    model: Model, data_dir: Path, report: ReportProgress, convert: ConvertGguf
) -> Path:
    """Convert the GGUF weights of installed packages; return the folder that vLLM loads."""
    folder = weights_folder(model, data_dir)
    if folder.is_dir():
        return folder
    weights = model.weights
    with create_folder_once(folder) as scratch:
        if scratch is not None:
            gguf = scratch / "weights.gguf"
            join_parts(
                gguf_parts(weights.source), gguf, weights.sha256, _scale_progress(report, 0, 0.1)
            )
            convert(gguf, scratch, _read_turn_ends(weights), _scale_progress(report, 0.1, 1))
            gguf.unlink()
            if weights.chat_template is not None:
                shutil.copyfile(_chat_template_path(weights), scratch / "chat_template.jinja")
    return folder


def _read_turn_ends(weights: Weights) -> tuple[str, ...]:
    """Return the texts that end a turn in the chat template, from the JSON file beside it."""
    if weights.chat_template is None:
        return ()
    settings = _chat_template_path(weights).with_suffix(".json")
    if not settings.is_file():
        return ()
    return tuple(json.loads(settings.read_text(encoding="utf-8"))["turn_ends"])


def _convert_backbone(model: Model, data_dir: Path, report: ReportProgress) -> Path:
    """Convert the vision backbone to ONNX in a child process; return the ONNX file."""
    folder = weights_folder(model, data_dir)
    with create_folder_once(folder) as scratch:
        if scratch is not None:
            report("Converting the backbone for pictures", None)
            # In a child process, because torch would stay in the memory of this one.
            child = start_module(_BACKBONE_MODULE, [str(scratch / _BACKBONE_FILE)])
            try:
                if child.wait(_CONVERSION_TIMEOUT_S) != 0:
                    raise WeightsBroken("The backbone cannot be converted. See the log.")
            finally:
                stop_process(child, 2.0)
    return folder / _BACKBONE_FILE


def _verify_adapter(folder: Path, sha256: str | None) -> Path:
    """Verify the files of a LoRA adapter and return its folder; the digest is of its weights."""
    for name in ADAPTER_FILES:
        _verify_file(folder / name, sha256 if name.endswith(".safetensors") else None)
    return folder


def _verify_file(path: Path, sha256: str | None) -> Path:
    """Return `path` if the file exists and has the SHA-256. Raises WeightsBroken."""
    if not path.is_file():
        raise WeightsBroken(f"The model weights {path.name} are missing.")
    if sha256 is not None:
        digest = hashlib.sha256()
        for block in _read_blocks(path):
            digest.update(block)
        _require_digest(digest.hexdigest(), sha256, path.name)
    return path


def _require_digest(actual: str, expected: str | None, name: str) -> None:
    """Raise WeightsBroken if the digest of the file `name` differs from the expected one."""
    if expected is not None and actual != expected:
        raise WeightsBroken(
            f"{name} is damaged: its SHA-256 differs from the catalog. Reinstall it."
        )


def _chat_template_path(weights: Weights) -> Path:
    """Return the path of the chat template. Raises WeightsBroken if it is missing."""
    path = MODELS_FOLDER / (weights.chat_template or "")
    if not path.is_file():
        raise WeightsBroken(f"The chat template {weights.chat_template!r} is missing.")
    return path


def _read_blocks(path: Path) -> Iterator[bytes]:
    """Yield the content of a file in blocks."""
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def _scale_progress(report: ReportProgress, start: float, end: float) -> ReportProgress:
    """Return a progress callback that maps fractions 0 to 1 onto `start` to `end`."""

    def scaled(message: str, fraction: float | None) -> None:
        report(message, None if fraction is None else start + fraction * (end - start))

    return scaled


def _fsync_files(folder: Path) -> None:
    """Fsync all files before the rename: otherwise a power failure may leave empty files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


@contextmanager
def _convert_disk_full_error() -> Iterator[None]:
    """Convert an OSError for a full disk or quota into WeightsBroken."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WeightsBroken("The disk is full. Free some space for the weights.") from error
        raise
