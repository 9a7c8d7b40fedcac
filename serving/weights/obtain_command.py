"""`python -m serving.weights.obtain_command [MODEL] --data-dir DIR`: obtain a model's weights.

For uses of the weights without serving them, such as training an adapter or preparing a machine
without internet access.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.errors import AppError
from infra.settings import load_settings
from models.catalog import Model, Task, load_catalog
from models.catalog.entries import GGUF
from models.catalog.profiles import DEFAULT_PROFILE, PROFILES
from serving.errors import WeightsBroken
from serving.weights.conversion_process import convert_in_child_process
from serving.weights.gguf_download import obtain_gguf
from serving.weights.weights import obtain_weights


def main(arguments: Sequence[str] | None = None) -> int:
    """Obtain the weights and print their path.

    Returns 1 if they cannot be obtained; exits with 2 if the catalog has no such model.
    """
    parser = argparse.ArgumentParser(
        prog="python -m serving.weights.obtain_command",
        description="Download or convert a model's weights and print their path.",
    )
    parser.add_argument(
        "model",
        nargs="?",
        help="ID of the model in the catalog (default: its first language model)",
    )
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="directory to store the weights in"
    )
    parser.add_argument(
        "--profile",
        choices=list(PROFILES),
        default=DEFAULT_PROFILE,
        help=f"hardware profile (default: {DEFAULT_PROFILE})",
    )
    parser.add_argument(
        "--download-only",
        action="store_true",
        help="download the GGUF file into the directory, for MAAS_WEIGHTS_DIR of another machine",
    )
    options = parser.parse_args(arguments)
    model = _find_model(options.profile, options.model)
    if model is None:
        parser.error(f"the profile {options.profile!r} has no model {options.model!r}")
    try:
        sys.stdout.write(f"{_obtain(model, options.data_dir.resolve(), options.download_only)}\n")
    except AppError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


def _obtain(model: Model, data_dir: Path, download_only: bool) -> str:
    """Obtain the weights; return their path or hub id. Raises WeightsBroken."""
    report = ProgressPrinter()
    if not download_only:
        return obtain_weights(model, data_dir, report, convert_in_child_process).source
    if model.weights.kind != GGUF:
        raise WeightsBroken(f"The weights of {model.id!r} are not a GGUF file.")
    target = data_dir / Path(model.weights.source).name
    if not target.is_file():
        obtain_gguf(model.weights, data_dir, report).rename(target)
    return str(target)


def _find_model(profile: str, name: str | None) -> Model | None:
    """Return a model of the catalog, with the operator's files, that has weights, or None.

    Without a name, it is the first language model.
    """
    catalog = load_catalog(profile, operator_files=load_settings().catalog).run_by_own_servers()
    if name is not None:
        return catalog.find(name)
    return next(iter(catalog.with_task(Task.TEXT_GENERATION)), None)


class ProgressPrinter:
    """Prints progress to standard error, skipping repeated lines."""

    def __init__(self) -> None:
        self._last_line = ""

    def __call__(self, message: str, fraction: float | None) -> None:
        """Print the message and `fraction` (0 to 1, None if unknown)."""
        percent = "" if fraction is None else f" {fraction:.0%}"
        line = f"{message}{percent}\n"
        if line != self._last_line:
            sys.stderr.write(line)
        self._last_line = line


if __name__ == "__main__":
    sys.exit(main())
