"""Convert GGUF weights for vLLM in a child process, `python -m serving.weights.gguf_conversion`."""

import json
import subprocess

from infra.processes import start_module, stop_process
from serving.errors import WeightsBroken
from serving.weights.conversion import GgufConversion
from serving.weights.files import ReportProgress

_STOP_TIMEOUT_S = 2.0
# Disables the libraries' progress bars and logs, which would mix with the progress lines.
_QUIET_ENVIRONMENT = {
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_OFFLINE": "1",
    "TQDM_DISABLE": "1",
    "PYTHONWARNINGS": "ignore",
}


def convert_in_child_process(conversion: GgufConversion, report: ReportProgress) -> None:
    """Convert a GGUF file for vLLM in a child process that is stopped on errors.

    Raises WeightsBroken.
    """
    child = start_module(
        "serving.weights.gguf_conversion",
        _arguments(conversion),
        _QUIET_ENVIRONMENT,
        subprocess.PIPE,
    )
    try:
        failure = _forward_progress(child, report)
        status = child.wait()
    finally:
        stop_process(child, _STOP_TIMEOUT_S)
    if failure == "disk full":
        raise WeightsBroken("The disk is full. Free some space for the weights.")
    if status != 0:
        raise WeightsBroken("The weights cannot be converted. See the log.")


def _arguments(conversion: GgufConversion) -> list[str]:
    """Return the child's command line."""
    arguments = [str(conversion.gguf), str(conversion.folder)]
    for end in conversion.turn_ends:
        arguments.append(f"--turn-end={end}")
    if conversion.quantize:
        arguments.append("--int8")
    return arguments


def _forward_progress(child: subprocess.Popen[bytes], report: ReportProgress) -> str | None:
    """Forward the child's progress until it closes its output; return its failure, if any."""
    failure: str | None = None
    for line in child.stdout or ():
        try:
            message = json.loads(line)
        except ValueError:
            continue  # output of a library
        if "failed" in message:
            failure = str(message["failed"])
        else:
            report(message["message"], message["fraction"])
    return failure
