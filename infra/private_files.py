"""Files that only their owner may read: folders 0700, files 0600.

Owns creating them with that mode from the beginning, repairing what earlier versions created with
other modes, and the one exception: PostgreSQL that root starts runs as a user of its own with
root's group, which may pass through the data directory, and neither list nor read it.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDER, _FILE, _PASSED = 0o700, 0o600, 0o710
_OTHERS = 0o077


def private_folder(folder: Path) -> None:
    """Create the folder for its owner only; one that exists already is restricted to it."""
    folder.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
    _restrict(folder)


def write_private(file: Path, content: bytes) -> None:
    """Write a file that was never readable for anybody else, not even while it was created."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


def let_pass(folder: Path, group: int) -> None:
    """Let a group pass through the owner's folder: it can open what it knows by name and may read
    itself. A folder that is everybody's, as /tmp, stays as it is."""
    if not folder.stat().st_mode & stat.S_ISVTX:
        os.chown(folder, -1, group)
        folder.chmod(_PASSED)


@contextmanager
def created_private() -> Iterator[None]:
    """A block in which this process and its children create files for their owner only."""
    before = os.umask(_OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def repair(folder: Path) -> None:
    """Restrict our own files and folders below to their owner; links are not followed."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            _restrict(Path(place) / name)


def _restrict(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:  # it was somebody's for a moment
        return
    ours = found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX
    if ours and found.st_mode & _OTHERS and not stat.S_ISLNK(found.st_mode):
        path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)
