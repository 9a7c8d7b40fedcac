"""Where serving keeps its files, and that only one serving uses them."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ServingFailed

# Ray lets HAProxy make `run/<56 digits>/metrics.sock` below this folder, and HAProxy takes no
# socket's path of more than 97 characters.
_LONGEST_RAY_FOLDER = 22
_SESSIONS_KEPT = 2


@dataclass(frozen=True, slots=True)
class Folders:
    """`ray` holds Ray's sessions (its logs too), `run` what lives only while serving runs,
    `variants` copies of customers' variants, `adapters` of their adapters of language models,
    `counts` what engines counted that have ended."""

    data: Path
    ray: Path
    run: Path
    logs: Path
    variants: Path
    adapters: Path
    counts: Path


def folders_of(data_dir: Path) -> Folders:
    ray = data_dir / "ray"
    if len(str(ray)) > _LONGEST_RAY_FOLDER:
        digest = hashlib.sha256(f"{os.getuid()} {data_dir}".encode()).hexdigest()[:8]
        ray = Path(tempfile.gettempdir()) / f"maas-{digest}"
    return Folders(
        data=data_dir,
        ray=ray,
        run=ray / "run",
        logs=data_dir / "logs",
        variants=data_dir / "variants",
        adapters=data_dir / "adapters",
        counts=data_dir / "counts",
    )


def prepare(folders: Folders) -> None:
    """Make the folders, for this user only: HAProxy's command socket is open to all who see it,
    and variants are customers' own.

    Raises ServingFailed where a folder belongs to somebody else.
    """
    customers = (folders.variants, folders.adapters)
    ours = (folders.data, folders.ray, folders.run, folders.logs, folders.counts)
    for folder in (*ours, *customers):
        folder.mkdir(parents=True, exist_ok=True)
    for folder in (folders.ray, folders.run, *customers):
        if folder.stat().st_uid != os.getuid() or folder.is_symlink():
            raise ServingFailed("A folder that serving needs belongs to another user.")
        folder.chmod(0o700)


def forget_old_sessions(folders: Folders) -> None:
    """Keep the logs of the latest runs only; each session would stay for ever otherwise."""
    sessions = [path for path in folders.ray.glob("session_2*") if path.is_dir()]
    for path in sorted(sessions)[:-_SESSIONS_KEPT]:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def only_one(folders: Folders) -> Iterator[None]:
    """Hold the data directory. Raises ServingFailed where another serving holds it."""
    with (folders.data / "serving.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServingFailed("Another serving runs on this data directory.") from None
        yield
