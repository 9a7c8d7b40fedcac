"""Convert GGUF weights once to the folder that vLLM loads."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.catalog import CATALOG_FILE, Model, Weights
from models.catalog.entries import GGUF
from serving.errors import WeightsBroken
from serving.weights.files import (
    ReportProgress,
    create_folder_once,
    join_parts,
    scale_progress,
)
from serving.weights.gguf_download import obtain_gguf
from serving.weights.packages import gguf_parts

# The folder of the catalog's files: chat templates, adapters, artefacts.
MODELS_FOLDER = CATALOG_FILE.parent
# Beside the weights that vLLM loads.
CHAT_TEMPLATE_FILE = "chat_template.jinja"
# The files that peft writes and vLLM loads.
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
# Part of the folder names: increase it when the conversion changes, to convert again.
_CONVERSION_VERSION = "1"
_DOWNLOADS = "downloads"
# Shares of the progress: downloads take most of the time.
_DOWNLOADED, _ASSEMBLED = 0.5, 0.1


@dataclass(frozen=True, slots=True)
class GgufConversion:
    """A conversion: a GGUF file and the folder to write.

    `turn_ends` are turn ends of the chat template, beside the model's own end-of-sequence token.
    With `quantize`, weights are written in 8 bits, else in 16.
    """

    gguf: Path
    folder: Path
    turn_ends: tuple[str, ...] = ()
    quantize: bool = False


ConvertGguf = Callable[[GgufConversion, ReportProgress], None]
"""Converts a GGUF file into a folder that vLLM loads. Raises WeightsBroken."""


def convert_gguf_weights(
    model: Model, data_dir: Path, report: ReportProgress, convert: ConvertGguf
) -> Path:
    """Obtain and convert the GGUF weights of a model; return the folder that vLLM loads.

    An interrupted download is continued; an interrupted conversion leaves nothing in use. Raises
    WeightsBroken.
    """
    folder, weights = weights_folder(model, data_dir), model.weights
    if folder.is_dir():
        _put_chat_template(weights, folder)
        return folder
    with create_folder_once(folder) as scratch:
        if scratch is not None:
            gguf, converted_from = _provide_gguf(model, data_dir, scratch, report)
            conversion = GgufConversion(
                gguf,
                scratch,
                read_turn_ends(weights),
                weights.quantization is not None,
            )
            convert(conversion, scale_progress(report, converted_from, 1))
            (scratch / "weights.gguf").unlink(missing_ok=True)
            _put_chat_template(weights, scratch)
    # A gigabyte that is not needed any more.
    shutil.rmtree(_download_folder(model, data_dir), ignore_errors=True)
    return folder


def _provide_gguf(
    model: Model, data_dir: Path, scratch: Path, report: ReportProgress
) -> tuple[Path, float]:
    """Return the GGUF file, and the share of the progress that obtaining it takes."""
    weights = model.weights
    if weights.kind == GGUF:
        downloads = _download_folder(model, data_dir)
        return (
            obtain_gguf(weights, downloads, scale_progress(report, 0, _DOWNLOADED)),
            _DOWNLOADED,
        )
    gguf = scratch / "weights.gguf"
    parts = gguf_parts(weights.source)
    join_parts(parts, gguf, weights.sha256, scale_progress(report, 0, _ASSEMBLED))
    return gguf, _ASSEMBLED


def weights_folder(model: Model, data_dir: Path) -> Path:
    """Return the folder of a model's converted weights; its name has a digest of all inputs.

    The chat template of downloaded weights is not one of them: another one is put into the folder,
    or a plant without a connection could not start after an update. Raises WeightsBroken if the
    chat template is missing.
    """
    weights = model.weights
    digest = hashlib.sha256(f"{_CONVERSION_VERSION} {weights.sha256}".encode())
    turn_ends, is_download = read_turn_ends(weights), weights.kind == GGUF
    if weights.chat_template is not None and not is_download:
        digest.update(chat_template_path(weights).read_bytes())
    if turn_ends or (weights.chat_template is not None and not is_download):
        digest.update(repr(turn_ends).encode())
    if is_download:
        digest.update(f"{weights.source} {weights.revision} {weights.quantization}".encode())
    return data_dir / "weights" / f"{model.id.replace('/', '--')}-{digest.hexdigest()[:8]}"


def _put_chat_template(weights: Weights, folder: Path) -> None:
    """Put the catalog's chat template into a folder that has another one; whole or not at all."""
    if weights.chat_template is None:
        return
    wanted, target = chat_template_path(weights).read_bytes(), folder / CHAT_TEMPLATE_FILE
    if not target.is_file() or target.read_bytes() != wanted:
        scratch = folder / f".{CHAT_TEMPLATE_FILE}.{os.getpid()}"
        scratch.write_bytes(wanted)
        scratch.replace(target)


def chat_template_path(weights: Weights) -> Path:
    """Return the path of the chat template. Raises WeightsBroken if it is missing."""
    path = MODELS_FOLDER / (weights.chat_template or "")
    if not path.is_file():
        raise WeightsBroken(f"The chat template {weights.chat_template!r} is missing.")
    return path


def read_turn_ends(weights: Weights) -> tuple[str, ...]:
    """Return the texts that end a turn in the chat template, from the JSON file beside it."""
    if weights.chat_template is None:
        return ()
    settings = chat_template_path(weights).with_suffix(".json")
    if not settings.is_file():
        return ()
    return tuple(json.loads(settings.read_text(encoding="utf-8"))["turn_ends"])


def _download_folder(model: Model, data_dir: Path) -> Path:
    """Return the folder of a model's downloads, which survives an interruption."""
    source = f"{model.weights.source} {model.weights.revision}".encode()
    return data_dir / "weights" / _DOWNLOADS / hashlib.sha256(source).hexdigest()[:16]
