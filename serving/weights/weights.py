"""Obtain a model's weights: verify or download files, and convert them once.

Folders are created atomically, so a partial folder is never used.
"""

from dataclasses import dataclass
from pathlib import Path

from infra.processes import start_module, stop_process
from models.catalog import Model
from serving.errors import WeightsBroken
from serving.weights.conversion import (
    ADAPTER_FILES,
    MODELS_FOLDER,
    ConvertGguf,
    convert_gguf_weights,
    weights_folder,
)
from serving.weights.files import ReportProgress, create_folder_once, verify_file
from serving.weights.packages import package_file

_ENCODER_FILE = "e5-small-q4.bin"
_BACKBONE_MODULE, _BACKBONE_FILE = "models.surface_defect.conversion", "backbone.onnx"
_CONVERSION_TIMEOUT_S = 300.0


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
        case "gguf" | "gguf-package":
            return ObtainedWeights(str(convert_gguf_weights(model, data_dir, report, convert)))
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
            return ObtainedWeights(str(verify_file(path, weights.sha256)))
        case "vision-package":
            return ObtainedWeights(str(_convert_backbone(model, data_dir, report)))
        case "fitted" | "base":
            return ObtainedWeights("")  # each customer fits a variant; or the base's are used
        case "adapter":
            return ObtainedWeights(
                str(_verify_adapter(MODELS_FOLDER / weights.source, weights.sha256))
            )
        case "artefact":
            return ObtainedWeights(str(verify_file(MODELS_FOLDER / weights.source, weights.sha256)))
    raise WeightsBroken(f"The catalog's weights kind {weights.kind!r} is unknown.")


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
        verify_file(folder / name, sha256 if name.endswith(".safetensors") else None)
    return folder
