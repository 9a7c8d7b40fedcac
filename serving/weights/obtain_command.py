"""`python -m serving.weights.obtain_command MODEL --data-dir DIR`: have a model's weights, and
print where.

Owns the command, for what needs weights without serving them: learning an adapter, or a machine
that will have no internet.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.errors import AppError
from models.catalog import load_catalog
from serving.weights.conversion_process import convert
from serving.weights.weights import obtain


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the folder or file. 1 where it cannot be had, 2 where there is no such model."""
    parser = argparse.ArgumentParser(description="Obtain a model's weights and print where.")
    parser.add_argument("model", help="as the catalog calls it")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--profile", choices=["cpu", "gpu"], default="cpu")
    options = parser.parse_args(arguments)
    model = load_catalog(options.profile).find(options.model)
    if model is None:
        parser.error(f"the catalog has no model {options.model!r} in this profile")
    try:
        found = obtain(model, options.data_dir.resolve(), Telling(), convert)
    except AppError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(f"{found.source}\n")
    return 0


class Telling:
    """How far it is, on standard error; what was told last is not told again."""

    def __init__(self) -> None:
        self._told = ""

    def __call__(self, message: str, fraction: float | None) -> None:
        """`fraction` of what `message` says, from 0 to 1; None where nobody knows."""
        share = "" if fraction is None else f" {fraction:.0%}"
        line = f"{message}{share}\n"
        if line != self._told:
            sys.stderr.write(line)
        self._told = line


if __name__ == "__main__":
    sys.exit(main())
