"""Files of weights: verify them, and create folders that are complete or absent."""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from serving.errors import WeightsBroken

_BLOCK_BYTES = 1 << 20

ReportProgress = Callable[[str, float | None], None]
"""Called with a message for people and the fraction done, 0 to 1 (None: unknown)."""


@contextmanager
def create_folder_once(folder: Path) -> Iterator[Path | None]:
    """Yield a scratch folder that is renamed to `folder` on success; None if `folder` exists.

    Other processes wait for a file lock. A scratch folder left by a killed process is deleted,
    because it is unknown how much of it had reached the disk. Raises WeightsBroken if the disk is
    full.
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
            with convert_disk_full_error():
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
            for block in read_blocks(part):
                digest.update(block)
                file.write(block)
                done += len(block)
                report("Assembling the weights", done / total)
    require_digest(digest.hexdigest(), sha256, target.name)


def verify_file(path: Path, sha256: str | None) -> Path:
    """Return `path` if the file exists and has the SHA-256. Raises WeightsBroken."""
    if not path.is_file():
        raise WeightsBroken(f"The model weights {path.name} are missing.")
    if sha256 is not None:
        require_digest(file_digest(path), sha256, path.name)
    return path


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    for block in read_blocks(path):
        digest.update(block)
    return digest.hexdigest()


def require_digest(actual: str, expected: str | None, name: str) -> None:
    """Raise WeightsBroken if the digest of the file `name` differs from the expected one."""
    if expected is not None and actual != expected:
        raise WeightsBroken(
            f"{name} is damaged: its SHA-256 differs from the catalog. Reinstall it."
        )


def read_blocks(path: Path) -> Iterator[bytes]:
    """Yield the content of a file in blocks."""
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def scale_progress(report: ReportProgress, start: float, end: float) -> ReportProgress:
    """Return a progress callback that maps fractions 0 to 1 onto `start` to `end`."""

    def scaled(message: str, fraction: float | None) -> None:
        report(message, None if fraction is None else start + fraction * (end - start))

    return scaled


@contextmanager
def convert_disk_full_error() -> Iterator[None]:
    """Convert an OSError for a full disk or quota into WeightsBroken."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WeightsBroken("The disk is full. Free some space for the weights.") from error
        raise


def _fsync_files(folder: Path) -> None:
    """Fsync all files before the rename: otherwise a power failure may leave empty files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
