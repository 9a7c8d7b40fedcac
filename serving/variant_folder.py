"""Customers' variants in a folder that the replicas of a machine share.

Owns that a file is whole or is not there, and how many stay: up to a limit of bytes, those used
last, and none that nobody has asked for in a day. A copy only, the database has the originals: so
what cannot be written or read is a loss of time, never an error.
"""

import hashlib
import logging
import os
import re
import tempfile
import time
from contextlib import suppress
from pathlib import Path

MOST_BYTES = 2 << 30
# What a customer has deleted is asked for no more, and so is gone from here after this time.
UNUSED_S = 86_400.0
# Of the limit, by each process, before it looks again: thousands of files take a while to look at.
_SLACK = 16
_DIGEST = hashlib.sha256().digest_size
# It becomes a file's name.
_ID = re.compile(r"var_[0-9A-Za-z]{1,64}")

log = logging.getLogger("ray.serve")


def is_variant_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


class VariantFolder:
    """May be used by several processes at once. All methods take milliseconds: use a thread."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._unseen = 0

    def write(self, variant_id: str, content: bytes) -> None:
        """Keep it, where that is possible, and make room for it."""
        try:
            self._replace(self._path / variant_id, content)
        except OSError as error:
            log.warning("A variant is kept in memory only: %s", error.strerror)
        self._unseen += len(content)
        if self._unseen * _SLACK > self._most_bytes:
            self._unseen = 0
            self.tidy()

    def read(self, variant_id: str) -> bytes | None:
        """What was written; None where it is not here, or not whole."""
        path = self._path / variant_id
        try:
            stored = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        digest, content = stored[:_DIGEST], stored[_DIGEST:]
        if hashlib.sha256(content).digest() == digest:
            return content
        self.remove(variant_id)
        return None

    def remove(self, variant_id: str) -> None:
        with suppress(OSError):
            (self._path / variant_id).unlink()

    def tidy(self) -> None:
        """Remove what nobody has used for long, then those used longest ago, down to the limit.

        A file half-written by a killed process is one of them: nobody uses it.
        """
        room = self._most_bytes
        oldest = time.time() - UNUSED_S
        for name, used in sorted(self._files(), key=lambda file: -file[1].st_mtime):
            room -= used.st_size
            if room < 0 or used.st_mtime < oldest:
                self.remove(name)

    def _files(self) -> list[tuple[str, os.stat_result]]:
        found = []
        with suppress(OSError), os.scandir(self._path) as entries:
            for entry in entries:
                with suppress(OSError):  # another process removed it just now
                    found.append((entry.name, entry.stat()))
        return found

    def _replace(self, path: Path, content: bytes) -> None:
        """A reader sees the whole file or none. Not forced onto the disk: where a failing machine
        leaves less than was written, the digest tells."""
        descriptor, name = tempfile.mkstemp(dir=self._path)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(content).digest())
                file.write(content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
