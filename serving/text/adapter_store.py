"""Adapters that customers had made, in a folder of the machine from which the engines load them.

Owns that an adapter is whole or is not there, that it fits the engine, and how many stay: those
used within a day, up to a limit of bytes. Copies only, the database has the originals. An id stands
for one content for ever.
"""

import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from serving.errors import InputInvalid, ModelFailed
from serving.variant_folder import UNUSED_S
from serving.weights.weights import ADAPTER_FILES

MOST_BYTES = 8 << 30
# What it is called, beside the engine's own two files.
NAME = "name"
_CONFIG, _ = ADAPTER_FILES
# It becomes a folder's name.
_ID = re.compile(r"var_[0-9A-Za-z]{1,64}")


class Brought(msgspec.Struct, frozen=True):
    """An adapter as it is brought: what it answers as, and its files as one."""

    base: str
    name: str
    version: str
    artefact: bytes


class Fit(msgspec.Struct, frozen=True):
    """What an adapter is for, as its settings say: the weights, its rank, the layers it changes."""

    base_model_name_or_path: str
    r: int
    target_modules: frozenset[str]


@dataclass(frozen=True, slots=True)
class Adapter:
    """`name` is what it answers as; `folder` holds the engine's files."""

    name: str
    folder: Path


def is_adapter_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


class AdapterFolder:
    """May be used by several processes at once. Its methods read and write files: use a thread."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._most_bytes = most_bytes

    def find(self, adapter_id: str) -> Adapter | None:
        """Where it is; None where this machine has not got it. It counts as used now."""
        folder = self._path / adapter_id
        try:
            name = (folder / NAME).read_text("utf-8")
            os.utime(folder)
        except OSError:
            return None
        return Adapter(name, folder)

    def put(self, adapter_id: str, body: bytes, fits: Callable[[str], Fit]) -> str:
        """Keep it and make room for it; its name. `fits` tells what the engine of a model takes.
        Raises InputInvalid, ModelFailed where the disk is full."""
        brought, files = _understood(body)
        _require_fitting(_fit(files[_CONFIG]), fits(brought.base))
        if self.find(adapter_id) is None:
            self._tidy(self._most_bytes - sum(map(len, files.values())))
            self._write(adapter_id, brought.name, files)
        return brought.name

    def drop(self, adapter_id: str) -> None:
        shutil.rmtree(self._path / adapter_id, ignore_errors=True)

    def _write(self, adapter_id: str, name: str, files: Mapping[str, bytes]) -> None:
        try:
            with tempfile.TemporaryDirectory(
                dir=self._path, prefix=".partial-", ignore_cleanup_errors=True
            ) as scratch:
                whole = Path(scratch) / adapter_id
                whole.mkdir()
                for file, content in {**files, NAME: name.encode()}.items():
                    (whole / file).write_bytes(content)
                whole.rename(self._path / adapter_id)
        except OSError as error:
            # Another process was quicker: an id stands for one content.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise ModelFailed("The adapter cannot be kept on this machine's disk.") from error

    def _tidy(self, room: int) -> None:
        """Remove those used longest ago, which a customer may have deleted, and what a killed
        process left half-written."""
        oldest = time.time() - UNUSED_S
        with suppress(OSError):
            found = [(one, one.stat().st_mtime) for one in self._path.iterdir()]
            for folder, used in sorted(found, key=lambda both: -both[1]):
                with suppress(OSError):
                    room -= sum(file.stat().st_size for file in folder.rglob("*"))
                if room < 0 or used < oldest:
                    shutil.rmtree(folder, ignore_errors=True)


def fit_of(folder: Path) -> Fit:
    """That of an adapter which the engine has: others have to be like it. Raises InputInvalid."""
    return _fit((folder / _CONFIG).read_bytes())


def _fit(config: bytes) -> Fit:
    try:
        return msgspec.json.decode(config, type=Fit)
    except msgspec.DecodeError as error:
        raise InputInvalid(f"The adapter's settings cannot be read: {error}.") from error


def _require_fitting(given: Fit, wanted: Fit) -> None:
    """An engine that is given another one answers nonsense, or ends."""
    if given.base_model_name_or_path != wanted.base_model_name_or_path:
        raise InputInvalid(
            f"The adapter is for {given.base_model_name_or_path!r}, the engine runs "
            f"{wanted.base_model_name_or_path!r}."
        )
    if given.r != wanted.r or given.target_modules != wanted.target_modules:
        raise InputInvalid(
            f"The adapter's rank is {given.r} on {len(given.target_modules)} kinds of layers; the "
            f"engine takes {wanted.r} on {len(wanted.target_modules)}."
        )


def _understood(body: bytes) -> tuple[Brought, Mapping[str, bytes]]:
    try:
        brought = msgspec.json.decode(body, type=Brought)
        files = msgspec.msgpack.decode(brought.artefact, type=dict[str, bytes])
    except msgspec.DecodeError as error:
        raise InputInvalid(f"This is no adapter: {error}.") from error
    if set(files) != set(ADAPTER_FILES):
        raise InputInvalid("An adapter is its weights and their settings.")
    return brought, files
