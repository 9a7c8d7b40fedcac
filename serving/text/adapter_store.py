"""Customers' language model adapters in a folder of the machine, from which engines load them.

Adapters are written atomically, must match the engine's base weights and rank, and are deleted
after a day without use or above a size limit. The database has the originals. The content of an id
never changes.
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
from serving.variant_folder import MAX_UNUSED_S
from serving.weights.conversion import ADAPTER_FILES

MAX_BYTES = 8 << 30
# The file with the adapter's public name, beside the engine's two files.
NAME_FILE = "name"
_SETTINGS_FILE, _ = ADAPTER_FILES
# Valid ids are used as folder names.
_ID = re.compile(r"var_[0-9A-Za-z]{1,64}")


class AdapterUpload(msgspec.Struct, frozen=True):
    """An uploaded adapter: its base model, public name, version and packed files."""

    base: str
    name: str
    version: str
    artefact: bytes


class AdapterSettings(msgspec.Struct, frozen=True):
    """The LoRA settings of an adapter: its base weights, rank and target layers.

    As a requirement, `target_modules` None allows any layers.
    """

    base_model_name_or_path: str
    r: int
    target_modules: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class StoredAdapter:
    """A stored adapter: its public model name and the folder of the engine's files."""

    name: str
    folder: Path


def is_adapter_id(text: str) -> bool:
    """Return whether `text` is an adapter id and safe as a folder name."""
    return _ID.fullmatch(text) is not None


class AdapterStore:
    """A folder of adapters, safe for several processes; its methods block on file I/O."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._most_bytes = max_bytes

    def find(self, adapter_id: str) -> StoredAdapter | None:
        """Return an adapter and mark it as used; None if it is not on this machine."""
        folder = self._path / adapter_id
        try:
            name = (folder / NAME_FILE).read_text("utf-8")
            os.utime(folder)
        except OSError:
            return None
        return StoredAdapter(name, folder)

    def put(
        self, adapter_id: str, body: bytes, required_settings: Callable[[str], AdapterSettings]
    ) -> str:
        """Check an uploaded adapter's settings, store it and return its public name.

        `required_settings` returns the settings that the engine of a base model requires. Raises
        InputInvalid, and ModelFailed if the disk is full.
        """
        upload, files = _parse_upload(body)
        _require_matching_settings(
            _parse_settings(files[_SETTINGS_FILE]), required_settings(upload.base)
        )
        if self.find(adapter_id) is None:
            self._remove_unused(self._most_bytes - sum(map(len, files.values())))
            self._write(adapter_id, upload.name, files)
        return upload.name

    def remove(self, adapter_id: str) -> None:
        """Delete an adapter if it exists."""
        shutil.rmtree(self._path / adapter_id, ignore_errors=True)

    def _write(self, adapter_id: str, name: str, files: Mapping[str, bytes]) -> None:
        """Write an adapter atomically. Raises ModelFailed if the disk is full."""
        try:
            with tempfile.TemporaryDirectory(
                dir=self._path, prefix=".partial-", ignore_cleanup_errors=True
            ) as scratch:
                complete = Path(scratch) / adapter_id
                complete.mkdir()
                for file, content in {**files, NAME_FILE: name.encode()}.items():
                    (complete / file).write_bytes(content)
                complete.rename(self._path / adapter_id)
        except OSError as error:
            # The folder exists if another process stored the same id first; the content is equal.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise ModelFailed("The adapter cannot be stored on this machine's disk.") from error

    def _remove_unused(self, room: int) -> None:
        """Delete adapters unused for MAX_UNUSED_S and the least recently used beyond `room` bytes.

        This also deletes adapters that customers deleted and partial folders of killed processes.
        """
        min_used_at = time.time() - MAX_UNUSED_S
        with suppress(OSError):
            folders = [(folder, folder.stat().st_mtime) for folder in self._path.iterdir()]
            for folder, used_at in sorted(folders, key=lambda pair: -pair[1]):
                with suppress(OSError):
                    room -= sum(file.stat().st_size for file in folder.rglob("*"))
                if room < 0 or used_at < min_used_at:
                    shutil.rmtree(folder, ignore_errors=True)


def read_adapter_settings(folder: Path) -> AdapterSettings:
    """Read the settings of the adapter in `folder`. Raises InputInvalid."""
    return _parse_settings((folder / _SETTINGS_FILE).read_bytes())


def _parse_settings(config: bytes) -> AdapterSettings:
    """Parse peft's adapter_config.json. Raises InputInvalid."""
    try:
        return msgspec.json.decode(config, type=AdapterSettings)
    except msgspec.DecodeError as error:
        raise InputInvalid(f"The adapter's configuration is not valid: {error}.") from error


def _require_matching_settings(actual: AdapterSettings, required: AdapterSettings) -> None:
    """Raise InputInvalid if they differ: the engine would answer nonsense or crash."""
    if actual.base_model_name_or_path != required.base_model_name_or_path:
        raise InputInvalid(
            f"The adapter is for {actual.base_model_name_or_path!r}, but the engine runs "
            f"{required.base_model_name_or_path!r}."
        )
    layers = actual.target_modules or frozenset()
    required_layers = layers if required.target_modules is None else required.target_modules
    if actual.r != required.r or not layers or layers != required_layers:
        raise InputInvalid(
            f"The adapter has rank {actual.r} on {len(layers)} kinds of layers; the engine needs "
            f"rank {required.r} on {len(required_layers)}."
        )


def _parse_upload(body: bytes) -> tuple[AdapterUpload, Mapping[str, bytes]]:
    """Parse an uploaded adapter into its fields and files by name. Raises InputInvalid."""
    try:
        upload = msgspec.json.decode(body, type=AdapterUpload)
        files = msgspec.msgpack.decode(upload.artefact, type=dict[str, bytes])
    except msgspec.DecodeError as error:
        raise InputInvalid(f"The artefact is not an adapter: {error}.") from error
    if set(files) != set(ADAPTER_FILES):
        raise InputInvalid("An adapter must contain weights and a configuration.")
    return upload, files
