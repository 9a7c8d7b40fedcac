"""The conversion, run in a process of its own and watched.

Owns starting `python -m serving.weights.gguf_conversion`, passing its progress on, and stopping it.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from infra.processes import start_module, stop_process
from serving.errors import WeightsBroken
from serving.weights.weights import Report

_PATIENCE_S = 2.0
# Only the conversion's own lines belong into the progress; the libraries' bars would mix with it.
_QUIET = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}


def convert(gguf: Path, folder: Path, turn_ends: Sequence[str], report: Report) -> None:
    """Convert in a child process. Raises WeightsBroken; leaves no child behind."""
    child = start_module(
        "serving.weights.gguf_conversion",
        [str(gguf), str(folder), *turn_ends],
        _QUIET,
        subprocess.PIPE,
    )
    try:
        failed = _follow(child, report)
        status = child.wait()
    finally:
        stop_process(child, _PATIENCE_S)
    if failed == "disk full":
        raise WeightsBroken("The disk is full: the weights need more room.")
    if status != 0:
        raise WeightsBroken("The weights cannot be converted; the log says why.")


def _follow(child: subprocess.Popen[bytes], report: Report) -> str | None:
    """Pass progress on until the child closes its output; what it says went wrong, if anything."""
    failed: str | None = None
    for line in child.stdout or ():
        try:
            said = json.loads(line)
        except ValueError:
            continue  # a library's chatter
        if "failed" in said:
            failed = str(said["failed"])
        else:
            report(said["message"], said["fraction"])
    return failed
