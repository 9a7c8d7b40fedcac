"""The folders of one serving process, and the lock that keeps a second process out of them."""

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

# Ray makes HAProxy create `run/<56 digits>/metrics.sock` below this folder, and HAProxy limits the
# path of a socket to 97 characters.
_MAX_RAY_FOLDER_LENGTH = 22
_MAX_SESSIONS = 2


@dataclass(frozen=True, slots=True)
class Folders:
    """Absolute paths of the folders that serving uses.

    `ray` holds Ray's sessions and logs, `run` the files of the current run, `variants` and
    `adapters` copies of customers' specialist variants and language model adapters, `counts` the
    final token counters of engines that have stopped.
    """

    data: Path
    ray: Path
    run: Path
    logs: Path
    variants: Path
    adapters: Path
    counts: Path


def resolve_folders(data_dir: Path) -> Folders:
    """Return the folders below `data_dir`; a long path moves Ray's folder to the temp folder."""
    ray = data_dir / "ray"
    if len(str(ray)) > _MAX_RAY_FOLDER_LENGTH:
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


def create_folders(folders: Folders) -> None:
    """Create the folders with access for this user only.

    HAProxy's command socket has no access control of its own, and variants are customer data.
    Raises ServingFailed if a folder belongs to another user.
    """
    customer_folders = (folders.variants, folders.adapters)
    own_folders = (folders.data, folders.ray, folders.run, folders.logs, folders.counts)
    for folder in (*own_folders, *customer_folders):
        folder.mkdir(parents=True, exist_ok=True)
    for folder in (folders.ray, folders.run, *customer_folders):
        if folder.stat().st_uid != os.getuid() or folder.is_symlink():
            raise ServingFailed("A folder in the data directory belongs to another user.")
        folder.chmod(0o700)


def delete_old_sessions(folders: Folders) -> None:
    """Delete all but the latest Ray sessions; Ray itself never deletes a session folder."""
    sessions = [path for path in folders.ray.glob("session_2*") if path.is_dir()]
    for path in sorted(sessions)[:-_MAX_SESSIONS]:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def lock_data_dir(folders: Folders) -> Iterator[None]:
    """Lock the data directory. Raises ServingFailed if another serving process holds the lock."""
    with (folders.data / "serving.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServingFailed(
                "Another serving process uses this data directory. Stop it first."
            ) from None
        yield
