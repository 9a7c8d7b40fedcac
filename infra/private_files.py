"""Owner-only files and directories: create them with mode 0600 or 0700, and repair modes.

One exception: PostgreSQL started by root runs as another user with root's group, which may
traverse the data directory (0710), but neither list nor read it.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDER_MODE, _FILE_MODE, _TRAVERSABLE = 0o700, 0o600, 0o710
_OTHERS_MASK = 0o077


def private_folder(folder: Path) -> None:
    """Create a directory with mode 0700, or restrict an existing one to its owner."""
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    _restrict(folder)


def write_private(file: Path, content: bytes) -> None:
    """Write a file with mode 0600 from its creation on, replacing an existing one."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


def allow_traversal(folder: Path, group: int) -> None:
    """Let a group traverse a directory (mode 0710).

    Directories with the sticky bit, such as /tmp, are left unchanged.
    """
    if not folder.stat().st_mode & stat.S_ISVTX:
        os.chown(folder, -1, group)
        folder.chmod(_TRAVERSABLE)


@contextmanager
def private_umask() -> Iterator[None]:
    """Context in which this process and its children create owner-only files (umask 077)."""
    previous = os.umask(_OTHERS_MASK)
    try:
        yield
    finally:
        os.umask(previous)


def repair_modes(folder: Path) -> None:
    """Restrict all files below a folder that this user owns to this user; skips symlinks."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            _restrict(Path(parent) / name)


def _restrict(path: Path) -> None:
    """Remove group and other access from a file or directory of this user; skips symlinks."""
    try:
        status = path.lstat()
    except FileNotFoundError:  # a temporary file that was deleted meanwhile
        return
    is_owned = status.st_uid == os.geteuid() and not status.st_mode & stat.S_ISVTX
    if is_owned and status.st_mode & _OTHERS_MASK and not stat.S_ISLNK(status.st_mode):
        path.chmod(stat.S_IMODE(status.st_mode) & ~_OTHERS_MASK)
