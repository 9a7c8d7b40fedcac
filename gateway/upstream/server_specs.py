"""Parse MAAS_SERVING_URL, which names this deployment's own model servers."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from infra.settings import SettingsInvalid

_URL = re.compile(r"https?://[^\s?#]+")


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """One entry of MAAS_SERVING_URL. An entry without a model serves all models that no other entry
    names."""

    url: str
    model: str | None = None


def parse_upstreams(text: str) -> tuple[ServerSpec, ...]:
    """Parse MAAS_SERVING_URL: entries `URL` or `model-id=URL`, separated by commas or white space.

    Raises SettingsInvalid with the number of the invalid entry, without its text, which may hold a
    secret.
    """
    entries = [entry for entry in re.split(r"[,\s]+", text) if entry]
    if not entries:
        raise SettingsInvalid("MAAS_SERVING_URL contains no URL.")
    specs = [_parse_entry(number, entry) for number, entry in enumerate(entries, start=1)]
    for number, spec in enumerate(specs, start=1):
        if specs.index(spec) < number - 1:
            raise _invalid_entry(number, "is there twice")
    return tuple(specs)


def _parse_entry(number: int, entry: str) -> ServerSpec:
    """Parse one `URL` or `model-id=URL`; `number` is its position. Raises SettingsInvalid."""
    bare = entry.startswith(("http://", "https://"))
    model, _, url = (None, "", entry) if bare else entry.partition("=")
    if model == "":
        raise _invalid_entry(number, "has `=` without a model before it")
    if not _URL.fullmatch(url):
        raise _invalid_entry(number, "is neither an http(s) URL nor `model-id=URL`")
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an end, a port that is no port
        usable = False
    if not usable:
        raise _invalid_entry(number, "has no usable host and port")
    if parts.username is not None or parts.password is not None:
        # Base URLs are shown in metrics and logs.
        raise _invalid_entry(number, "holds credentials")
    return ServerSpec(url.rstrip("/"), model)


def _invalid_entry(number: int, reason: str) -> SettingsInvalid:
    """Return the error for an entry of MAAS_SERVING_URL; `number` is its position from 1."""
    return SettingsInvalid(f"MAAS_SERVING_URL: entry {number} {reason}.")
