"""Download one file of a model hub with the Hugging Face protocol, resuming a partial download."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import httpx

from serving.weights.files import ReportProgress

DEFAULT_HUB = "https://huggingface.co"
# A hub that cannot be reached, or that sends nothing for so long, is given up.
_TIMEOUT = httpx.Timeout(20.0, connect=10.0)
_PARTIAL = 206
_SOURCE = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)/(?P<file>[\w./-]+)")


class HubUnavailable(Exception):
    """The hub cannot be reached, hangs, refuses the file or does not have it."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a hub: `maker/repository`, its path there, and a commit or branch."""

    repository: str
    path: str
    revision: str

    @classmethod
    def parse(cls, source: str, revision: str | None) -> "HubFile | None":
        """Return the file that `maker/repository/file` names, or None if it is no such name."""
        match = _SOURCE.fullmatch(source)
        return match and cls(match["repository"], match["file"], revision or "main")

    @property
    def url(self) -> str:
        """Return the URL at the hub that HF_ENDPOINT names, by default Hugging Face's."""
        hub = os.environ.get("HF_ENDPOINT", DEFAULT_HUB).rstrip("/")
        return f"{hub}/{self.repository}/resolve/{self.revision}/{self.path}"


def download_from_hub(file: HubFile, target: Path, report: ReportProgress) -> None:
    """Download a file to `target`; a partial download beside it is continued.

    Raises HubUnavailable; what was received so far is kept. Raises OSError if it cannot be written.
    """
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        raise HubUnavailable("HF_HUB_OFFLINE is set")
    partial = target.with_name(f"{target.name}.partial")
    have = partial.stat().st_size if partial.is_file() else 0
    headers = {"accept-encoding": "identity"} | ({"range": f"bytes={have}-"} if have else {})
    if token := os.environ.get("HF_TOKEN"):
        headers["authorization"] = f"Bearer {token}"
    try:
        with httpx.stream(
            "GET", file.url, headers=headers, follow_redirects=True, timeout=_TIMEOUT
        ) as response:
            _write_response(response, partial, have, report)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise HubUnavailable(f"{type(error).__name__}") from error
    partial.rename(target)


def _write_response(
    response: httpx.Response, partial: Path, have: int, report: ReportProgress
) -> None:
    """Append a response to the partial file, from its start if the hub sends the whole file."""
    if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        partial.unlink()  # longer than the file: of another version
        raise HubUnavailable("the partial download does not fit the file")
    if response.status_code not in (httpx.codes.OK, _PARTIAL):
        raise HubUnavailable(f"status {response.status_code}")
    if response.status_code != _PARTIAL:
        have = 0
    total = have + int(response.headers.get("content-length", 0))
    with partial.open("ab" if have else "wb") as output:
        for block in response.iter_raw():
            output.write(block)
            have += len(block)
            report("Downloading the weights", have / total if total else None)
    if total and have < total:
        raise HubUnavailable("the connection ended too early")
