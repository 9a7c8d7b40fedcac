"""Final token counters of stopped engines, in a folder that all nodes share.

The usage of a stopped engine's calls remains in the database. Without its counters `maas reconcile`
would find billed tokens that no engine generated.
"""

import logging
from pathlib import Path

log = logging.getLogger("ray.serve")
_SUFFIX = ".prom"
_SEPARATOR = "#"


class EndedCounters:
    """Counter files of stopped engines, one for each replica, as Prometheus text."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, deployment: str, replica: str, text: str) -> None:
        """Write a replica's final counters; if the disk is full, write them to the log instead."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            target = self._path / f"{deployment}{_SEPARATOR}{replica}{_SUFFIX}"
            partial = target.with_suffix(".partial")
            partial.write_text(text, "utf-8")
            partial.replace(target)
        except OSError as error:
            log.error("The counters of a stopped engine could not be stored: %s\n%s", error, text)

    def delete(self, deployment: str) -> None:
        """Delete the counters of a deployment's replicas, when a new engine starts.

        Reconciliation compares usage since the start of the latest engine only.
        """
        for file in self._path.glob(f"{deployment}{_SEPARATOR}*{_SUFFIX}"):
            file.unlink(missing_ok=True)

    def read_all(self) -> list[str]:
        """Return the counters of all deployments' stopped replicas, in no particular order."""
        texts = []
        for file in self._path.glob(f"*{_SUFFIX}"):
            try:
                texts.append(file.read_text("utf-8"))
            except FileNotFoundError:
                continue  # deleted because a new engine started
        return texts
