"""Scripts and styles of other projects that pages load: htmx, Chart.js and Swagger UI.

    python -m infra.frontend_files        download and verify; does nothing if all files are there

The files are taken from pinned wheels, which are downloaded without their dependencies and never
installed: no package of Django is on the machine. Every file is verified by its SHA-256 before it
is kept. The files lie below the Python environment, in `share/maas/frontend`, with their licences.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.errors import AppError

FOLDER = Path(sys.prefix) / "share" / "maas" / "frontend"
COMMAND = "python -m infra.frontend_files"


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A file of a wheel: its path below the wheel's folder, its installed path and its SHA-256."""

    member: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Wheel:
    """A pinned wheel of the package index, and the files that are taken from its `folder`."""

    name: str
    version: str
    sha256: str
    folder: str
    files: tuple[WheelFile, ...]


WHEELS = (
    Wheel(
        "django-htmx",
        "1.29.0",
        "0ec5be1645ed71e6787bd75e0250624f00274ac3bb1730f07b6629a95688929b",
        "django_htmx/static/django_htmx",
        (
            WheelFile(
                "htmx-2.min.js",
                "htmx.js",
                "71ea67185bfa8c98c39d31717c6fce5d852370fcdfd129db4543774d3145c0de",
            ),
        ),
    ),
    Wheel(
        "django-unfold",
        "0.91.0",
        "486a468ec4788e0668a9e73686796b04450709171af4ac213b6d229a8015676a",
        "unfold/static/unfold/js",
        (
            WheelFile(
                "chart/chart.js",
                "chart.js",
                "db65ba70511147e08494c38a46030c89cb9e3153f455fec50440581fc67cb429",
            ),
            WheelFile(
                "chart/LICENSE",
                "chart.LICENSE",
                "41a84aa2caba645f966a18d9c2056b73e6d3a81d80bc0046bc0011a2634d4cce",
            ),
            WheelFile(
                "htmx/LICENSE",
                "htmx.LICENSE",
                "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
            ),
        ),
    ),
    Wheel(
        "drf-spectacular-sidecar",
        "2026.10.1",
        "fe1d005d8ac9b5d0472f2fe5deeb2e7d6dcffaa24118044f22578b4b8c4b31f2",
        "drf_spectacular_sidecar/static/drf_spectacular_sidecar/swagger-ui-dist",
        (
            WheelFile(
                "swagger-ui-bundle.js",
                "swagger-ui/swagger-ui-bundle.js",
                "050bc415ee7048dcd881682678f720264e7da5e373f7461d7c58c755305255f7",
            ),
            WheelFile(
                "swagger-ui-standalone-preset.js",
                "swagger-ui/swagger-ui-standalone-preset.js",
                "5243d492e14505e0cab87ac8b0195d0e615943e651743b2b698450a46eb470be",
            ),
            WheelFile(
                "swagger-ui.css",
                "swagger-ui/swagger-ui.css",
                "1ac324f7dcd27e4b9386b4bd6421271ec147e922a22c05ba24b11515e9aa6321",
            ),
            WheelFile(
                "favicon-32x32.png",
                "swagger-ui/favicon-32x32.png",
                "3ed612f41e050ca5e7000cad6f1cbe7e7da39f65fca99c02e99e6591056e5837",
            ),
            WheelFile(
                "LICENSE",
                "swagger-ui/LICENSE",
                "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30",
            ),
        ),
    ),
)


class FrontendFilesMissing(AppError):
    """A script or style is not installed, or the package index cannot be reached for it."""

    status = 500
    type = "server_error"
    code = "frontend_files_missing"


def frontend_folder(folder: Path = FOLDER, wheels: Sequence[Wheel] = WHEELS) -> Path:
    """Return the folder of the installed files. Raises FrontendFilesMissing if one is missing."""
    for wheel in wheels:
        for file in wheel.files:
            if not (folder / file.name).is_file():
                raise FrontendFilesMissing(
                    f"{folder / file.name} is missing. Run `{COMMAND}` in this Python environment "
                    "to download it from the package index."
                )
    return folder


def install(folder: Path = FOLDER, wheels: Sequence[Wheel] = WHEELS) -> None:
    """Download missing or damaged files; intact files are kept.

    Raises FrontendFilesMissing if a wheel cannot be downloaded or is not the pinned one.
    """
    missing = [wheel for wheel in wheels if not _is_installed(wheel, folder)]
    if not missing:
        return
    with tempfile.TemporaryDirectory() as downloads:
        _download(missing, Path(downloads))
        for wheel in missing:
            for name, content in _verified_files(wheel, Path(downloads)).items():
                _write(folder / name, content)


def _is_installed(wheel: Wheel, folder: Path) -> bool:
    """Return whether the folder has all files of the wheel with their pinned SHA-256."""
    return all(
        (folder / file.name).is_file() and _sha256((folder / file.name).read_bytes()) == file.sha256
        for file in wheel.files
    )


def _sha256(content: bytes) -> str:
    """Return the SHA-256 of the content in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _download(wheels: Sequence[Wheel], folder: Path) -> None:
    """Download the wheels into the folder by pip. Raises FrontendFilesMissing if pip fails."""
    requirements = folder / "requirements.txt"
    lines = (f"{one.name}=={one.version} --hash=sha256:{one.sha256}\n" for one in wheels)
    requirements.write_text("".join(lines))
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    if done.returncode != 0:
        last_line = (done.stderr.strip() or "no message").splitlines()[-1]
        raise FrontendFilesMissing(
            "The scripts of the pages could not be downloaded from the package index. Run "
            f"`{COMMAND}` again when the index can be reached. pip: {last_line}"
        )


def _verified_files(wheel: Wheel, folder: Path) -> Mapping[str, bytes]:
    """Return the files of a downloaded wheel by their installed path.

    Raises FrontendFilesMissing if a file is not the pinned one.
    """
    (archive_file,) = folder.glob(f"{wheel.name.replace('-', '_')}-*.whl")
    with zipfile.ZipFile(archive_file) as archive:
        contents = {
            file.name: archive.read(f"{wheel.folder}/{file.member}") for file in wheel.files
        }
    for file in wheel.files:
        if _sha256(contents[file.name]) != file.sha256:
            raise FrontendFilesMissing(
                f"{file.name} in {archive_file.name} is not the pinned file."
            )
    return contents


def _write(file: Path, content: bytes) -> None:
    """Replace a file at once, so that a running gateway never reads half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    partial.write_bytes(content)
    partial.replace(file)


def main() -> None:
    """Install the files; if that fails, print why and exit with status 1."""
    try:
        install()
    except FrontendFilesMissing as error:
        sys.exit(error.message)


if __name__ == "__main__":
    main()
