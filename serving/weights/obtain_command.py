"""`python -m serving.weights.obtain_command MODEL --data-dir DIR`: obtain a model's weights.

For uses of the weights without serving them, such as training an adapter or preparing a machine
without internet access.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.errors import AppError
from infra.settings import load_settings
from models.catalog import Model, load_catalog
from serving.weights.conversion_process import convert_in_child_process
from serving.weights.weights import obtain_weights


def main(arguments: Sequence[str] | None = None) -> int:
    """Obtain the weights and print their path.

    Returns 1 if they cannot be obtained; exits with 2 if the catalog has no such model.
    """
    parser = argparse.ArgumentParser(
        prog="python -m serving.weights.obtain_command",
        description="Download or convert a model's weights and print their path.",
    )
    parser.add_argument("model", help="ID of the model in the catalog")
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="directory to store the weights in"
    )
    parser.add_argument(
        "--profile", choices=["cpu", "gpu"], default="cpu", help="hardware profile (default: cpu)"
    )
    options = parser.parse_args(arguments)
    model = _find_model(options.profile, options.model)
    if model is None:
        parser.error(f"the profile {options.profile!r} has no model {options.model!r}")
    try:
        obtained = obtain_weights(
            model, options.data_dir.resolve(), ProgressPrinter(), convert_in_child_process
        )
    except AppError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(f"{obtained.source}\n")
    return 0


def _find_model(profile: str, name: str) -> Model | None:
    """Return a model of the catalog, with the operator's files, that has weights, or None."""
    catalog = load_catalog(profile, operator_files=load_settings().catalog)
    return catalog.run_by_own_servers().find(name)


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
