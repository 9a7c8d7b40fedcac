"""Terms of use and privacy policy: the operator's files, their versions and hashes.

A file whose first line is `Version: 2026-11-01` has that version; any other has the start of its
hash.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from infra.errors import AppError
from infra.settings import SettingsInvalid

KINDS = ("terms", "privacy")
LANGUAGES = ("en", "zh")
_MAX_BYTES = 1 << 20
_VERSION = re.compile(r"Version:\s*(\S{1,40})\s*\n", re.ASCII)


class TextsOutdated(AppError):
    """The terms that were accepted are not the current ones, or were not accepted."""

    status = 409
    type = "invalid_request_error"
    code = "sign_up_texts_outdated"


@dataclass(frozen=True, slots=True)
class LegalText:
    """A text that a person accepts: `digest` is the hexadecimal SHA-256 of the file."""

    kind: str
    language: str
    version: str
    digest: str
    text: str


@dataclass(frozen=True, slots=True)
class LegalTexts:
    """The texts of a deployment by kind and language."""

    texts: Mapping[tuple[str, str], LegalText]

    def get(self, kind: str, language: str) -> LegalText:
        """Return a text. Raises KeyError if there is no such text."""
        return self.texts[kind, language]

    def accept(
        self, language: str, versions: Mapping[str, str], at: datetime, address: str
    ) -> list[dict[str, Any]]:
        """Return the record of an acceptance of the current versions. Raises TextsOutdated."""
        accepted = [self.get(kind, language) for kind in KINDS]
        for text in accepted:
            if versions.get(text.kind) != text.version:
                raise TextsOutdated(
                    f"Accept the current version of the {text.kind} text: {text.version}.",
                    param=f"{text.kind}_version",
                )
        return [
            {
                "kind": text.kind,
                "language": text.language,
                "version": text.version,
                "sha256": text.digest,
                "accepted_at": at.isoformat(),
                "address": address,
            }
            for text in accepted
        ]


def load_texts(folder: Path | None) -> LegalTexts:
    """Load the texts of a directory. Raises SettingsInvalid if one is missing or unreadable."""
    if folder is None:
        raise SettingsInvalid("MAAS_SIGN_UP needs MAAS_SIGN_UP_TEXTS_DIR.")
    texts = [_load(folder, kind, language) for kind in KINDS for language in LANGUAGES]
    return LegalTexts({(text.kind, text.language): text for text in texts})


def _load(folder: Path, kind: str, language: str) -> LegalText:
    """Load one text. Raises SettingsInvalid."""
    name = f"{kind}.{language}.md"
    try:
        content = folder.joinpath(name).read_bytes()[: _MAX_BYTES + 1]
        text = content.decode()
    except (OSError, UnicodeError) as error:
        raise SettingsInvalid(f"MAAS_SIGN_UP_TEXTS_DIR: {name} cannot be read.") from error
    if not text.strip() or len(content) > _MAX_BYTES:
        raise SettingsInvalid(f"MAAS_SIGN_UP_TEXTS_DIR: {name} is empty or larger than 1 MiB.")
    digest, version = hashlib.sha256(content).hexdigest(), _VERSION.match(text)
    if version is None:
        return LegalText(kind, language, digest[:12], digest, text)
    return LegalText(kind, language, version[1], digest, text[version.end() :])
