"""Domains of disposable mailboxes: the list of `disposable-email-domains`, and an operator's file.

The operator's file has one domain a line; `!domain` accepts a domain that the list has, `#` begins
a comment.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from disposable_email_domains import blocklist

from gateway.signups.mailboxes import email_domain
from infra.settings import SettingsInvalid

_MAX_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class DisposableDomains:
    """Domains whose mailboxes are disposable, and the exceptions."""

    refused: frozenset[str]
    accepted: frozenset[str] = frozenset()

    def has(self, email: str) -> bool:
        """Whether the address is at a disposable domain or below one."""
        labels = email_domain(email).split(".")
        suffixes = {".".join(labels[start:]) for start in range(len(labels))}
        return bool(suffixes & self.refused) and not suffixes & self.accepted


def load_disposable_domains(path: Path | None) -> DisposableDomains:
    """Load the package's list and the operator's file. Raises SettingsInvalid."""
    if path is None:
        return DisposableDomains(frozenset(blocklist))
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise SettingsInvalid("MAAS_SIGN_UP_DISPOSABLE_DOMAINS is larger than 4 MiB.")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise SettingsInvalid("MAAS_SIGN_UP_DISPOSABLE_DOMAINS cannot be read.") from error
    own = {line.partition("#")[0].strip().casefold() for line in lines} - {""}
    accepted = frozenset(_domains(line[1:] for line in own if line.startswith("!")))
    refused = frozenset(_domains(line for line in own if not line.startswith("!")))
    return DisposableDomains(frozenset(blocklist) | refused, accepted)


def _domains(names: Iterable[str]) -> Iterable[str]:
    """Return domains as they are compared."""
    return (email_domain(f"x@{name.strip()}") for name in names)
