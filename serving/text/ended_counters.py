"""What engines counted that have ended, in a folder that all nodes see.

An engine that is one too many is stopped, and the calls that it answered stay in usage: without its
count `maas reconcile` would find tokens that no engine generated.
"""

import logging
from pathlib import Path

log = logging.getLogger("ray.serve")
_SUFFIX = ".prom"
_BETWEEN = "#"


class EndedCounts:
    """Its methods read and write files, small ones."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, deployment: str, replica: str, text: str) -> None:
        """The last count of a replica's engine. Where the disk takes nothing, the log has it."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            whole = self._path / f"{deployment}{_BETWEEN}{replica}{_SUFFIX}"
            partial = whole.with_suffix(".partial")
            partial.write_text(text, "utf-8")
            partial.replace(whole)
        except OSError as error:
            log.error("The count of an engine that ends is lost: %s\n%s", error, text)

    def forget(self, deployment: str) -> None:
        """What is held against usage begins with the engine that started last: those that ended
        before it starts are needed no more."""
        for file in self._path.glob(f"{deployment}{_BETWEEN}*{_SUFFIX}"):
            file.unlink(missing_ok=True)

    def texts(self) -> list[str]:
        """Of all deployments, in no order."""
        found = []
        for file in self._path.glob(f"*{_SUFFIX}"):
            try:
                found.append(file.read_text("utf-8"))
            except FileNotFoundError:
                continue  # an engine has started meanwhile
        return found
