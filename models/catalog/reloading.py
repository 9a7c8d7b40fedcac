"""Notice changes of catalog files and their secrets, and read them into the catalog in force."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.errors import AppError
from infra.secrets.named_secrets import NamedSecrets
from infra.settings import Settings
from models.catalog.loading import load_configured_catalog
from models.catalog.problems import CatalogInvalid, Problem
from models.catalog.snapshot import Catalog


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """Whether the files were applied; if not, why they were refused."""

    problems: tuple[Problem, ...] = ()

    @property
    def is_applied(self) -> bool:
        """Return whether the files are in force."""
        return not self.problems


class CatalogSource:
    """The files and secrets from which a catalog is read.

    `validate` raises an AppError if the process cannot use a catalog.
    """

    def __init__(
        self, settings: Settings, secrets: NamedSecrets, validate: Callable[[Catalog], None]
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._validate = validate

    @property
    def files(self) -> tuple[Path, ...]:
        """Return the operator's catalog files."""
        return self._settings.catalog

    def digest(self, catalog: Catalog) -> bytes:
        """Return a digest of all files and of the secrets that the catalog's upstreams name."""
        total = hashlib.sha256()
        for file in self._settings.catalog:
            total.update(_file_digest(file))
        names = {name for upstream in catalog.upstreams for name in upstream.secret_names}
        for name in sorted(names):
            secret = self._secrets.read(name)
            value = "" if secret is None else secret.get_secret_value()
            total.update(hashlib.sha256(f"{name}\0{value}".encode()).digest())
        return total.digest()

    def read_into(self, catalog: Catalog) -> ReloadResult:
        """Replace the catalog's content by that of the files; keep it if they are invalid."""
        try:
            loaded = load_configured_catalog(self._settings)
            self._validate(loaded)
        except CatalogInvalid as error:
            problems = error.problems or (Problem("files", error.message),)
            return ReloadResult(problems)
        except AppError as error:
            return ReloadResult((Problem("files", error.message),))
        catalog.replace_with(loaded)
        return ReloadResult()


def _file_digest(file: Path) -> bytes:
    """Return the digest of a file's content, of its error if it cannot be read."""
    try:
        content = file.read_bytes() if file.is_file() else b"not a file"
        return hashlib.sha256(content).digest()
    except OSError as error:
        return hashlib.sha256(f"unreadable {error.errno}".encode()).digest()
