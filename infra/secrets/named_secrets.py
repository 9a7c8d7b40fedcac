"""Secrets that operators name in configuration files, such as the API key of an upstream.

The secret `openai` is the environment variable `MAAS_SECRET_OPENAI`, else the file
`maas_secret_openai` in MAAS_SECRETS_DIR. Files hold the name only, never the value.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

_PREFIX = "MAAS_SECRET_"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
# `MAAS_SECRET_KEY` is the installation's own key, which must not be sent to anybody.
_RESERVED = frozenset({"key"})
_MAX_BYTES = 16 << 10


def is_secret_name(name: str) -> bool:
    """Return whether a text may be the name of a secret."""
    return _NAME.fullmatch(name) is not None and name not in _RESERVED


def variable_name(name: str) -> str:
    """Return the environment variable of a secret."""
    return f"{_PREFIX}{name.upper()}"


class NamedSecrets:
    """Reads secrets from the environment and from a directory, at each call."""

    def __init__(self, folder: Path | None, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._environment = environment

    def read(self, name: str) -> SecretStr | None:
        """Return a secret without surrounding white space, None if it is missing or unusable.

        A value with characters that an HTTP header cannot carry is unusable.
        """
        value = self._environment.get(variable_name(name)) or self._read_file(name)
        value = (value or "").strip()
        is_usable = value.isascii() and value.isprintable()
        return SecretStr(value) if value and is_usable and is_secret_name(name) else None

    def names(self) -> frozenset[str]:
        """Return the names of all secrets that are set."""
        variables = {
            name.removeprefix(_PREFIX).lower()
            for name, value in self._environment.items()
            if name.startswith(_PREFIX) and value
        }
        return frozenset(name for name in variables | self._file_names() if is_secret_name(name))

    def _read_file(self, name: str) -> str | None:
        """Return the content of a secret's file, None if it cannot be read."""
        if self._folder is None:
            return None
        try:
            with (self._folder / variable_name(name).lower()).open("rb") as file:
                return file.read(_MAX_BYTES).decode("utf-8", errors="replace")
        except OSError:
            return None

    def _file_names(self) -> set[str]:
        """Return the names of the secrets that have a file."""
        if self._folder is None:
            return set()
        try:
            files = [path.name for path in self._folder.iterdir()]
        except OSError:
            return set()
        prefix = _PREFIX.lower()
        return {name.removeprefix(prefix) for name in files if name.startswith(prefix)}
