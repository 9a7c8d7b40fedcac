"""A folder cache of customers' fine-tuned models (variants), shared by a machine's replicas.

A deleted variant leaves an empty marker, by which other replicas know to drop it from memory.
Files are written atomically. Least recently stat files are deleted above a size limit, and every
file after a day without use. The database has the originals, so an I/O error is a cache miss and
never an error.
"""

import hashlib
import logging
import os
import re
import tempfile
import time
from contextlib import suppress
from pathlib import Path

MAX_BYTES = 2 << 30
# Seconds without use after which a file is deleted; this also removes variants that customers
# deleted.
MAX_UNUSED_S = 86_400.0
# A process checks the folder size only after it wrote 1/16 of the limit, because listing thousands
# of files takes time.
_CHECK_DIVISOR = 16
# Ends the name of the marker of a deleted variant.
_DELETED = ".deleted"
_DIGEST = hashlib.sha256().digest_size
# Valid ids are used as file names.
_ID = re.compile(r"var_[0-9A-Za-z]{1,64}")

log = logging.getLogger("ray.serve")


def is_variant_id(text: str) -> bool:
    """Return whether `text` is the id of a customer's variant and safe as a file name."""
    return _ID.fullmatch(text) is not None


class VariantFolder:
    """A folder of variant files, safe for several processes; its methods block on file I/O."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._most_bytes = max_bytes
        self._bytes_since_check = 0

    def write(self, variant_id: str, content: bytes) -> None:
        """Store a variant's content if the disk allows it, and delete old files above the limit."""
        try:
            self._write_atomically(self._path / variant_id, content)
        except OSError as error:
            log.warning(
                "A fine-tuned model could not be stored on disk and is kept in memory only: %s",
                error.strerror,
            )
        self._bytes_since_check += len(content)
        if self._bytes_since_check * _CHECK_DIVISOR > self._most_bytes:
            self._bytes_since_check = 0
            self.remove_unused()

    def read(self, variant_id: str) -> bytes | None:
        """Return the content; None if the file is missing or its digest does not match."""
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
        """Delete the file of a variant if it exists."""
        with suppress(OSError):
            (self._path / variant_id).unlink()

    def mark_deleted(self, variant_id: str) -> None:
        """Delete a variant's file and mark the variant as deleted, for other replicas."""
        self.remove(variant_id)
        with suppress(OSError):
            (self._path / f"{variant_id}{_DELETED}").touch()

    def list_deleted(self) -> frozenset[str]:
        """Return the ids of the variants that were marked as deleted within about a day."""
        names = (name for name, _ in self._list_files())
        return frozenset(name.removesuffix(_DELETED) for name in names if name.endswith(_DELETED))

    def remove_unused(self) -> None:
        """Delete files unused for MAX_UNUSED_S, then the least recently used above the limit.

        Partial files of killed processes are deleted in the same way.
        """
        remaining_bytes = self._most_bytes
        min_used_at = time.time() - MAX_UNUSED_S
        for name, stat in sorted(self._list_files(), key=lambda file: -file[1].st_mtime):
            remaining_bytes -= stat.st_size
            if remaining_bytes < 0 or stat.st_mtime < min_used_at:
                self.remove(name)

    def _list_files(self) -> list[tuple[str, os.stat_result]]:
        """Return the names and stat results of all files."""
        files = []
        with suppress(OSError), os.scandir(self._path) as entries:
            for entry in entries:
                with suppress(OSError):  # another process removed it just now
                    files.append((entry.name, entry.stat()))
        return files

    def _write_atomically(self, path: Path, content: bytes) -> None:
        """Write a file atomically but without fsync; the digest detects lost content."""
        descriptor, name = tempfile.mkstemp(dir=self._path)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(content).digest())
                file.write(content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
