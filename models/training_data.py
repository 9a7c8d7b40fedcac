"""Where training sets lie, and what is said where they do not; and how figures are recorded.

Owns the folder, that fact, and the commands that write a model's artefact and `metrics.json`.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

DIRECTORY_VARIABLE = "MAAS_TRAINING_DATA"


class TrainingDataMissing(FileNotFoundError):
    """The data directory holds no file of a set that can be used."""


def default_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of the training sets: `MAAS_TRAINING_DATA`, or beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(environment.get(DIRECTORY_VARIABLE) or beside)


def content(directory: Path, file: Path, what: str = "it") -> bytes:
    """A file below the folder of the training sets. Raises TrainingDataMissing, which says `what`
    is to be put there."""
    path = directory / file
    if not path.is_file():
        raise TrainingDataMissing(
            f"{path} is absent. Put {what} there, or name the folder that holds {file} with "
            f"--data or {DIRECTORY_VARIABLE}."
        )
    return path.read_bytes()


def record_metrics(
    arguments: Sequence[str] | None,
    description: str,
    metrics: Path,
    measure: Callable[[Path], Mapping[str, Any]],
    missing: tuple[type[Exception], ...] = (TrainingDataMissing,),
) -> None:
    """Write what `measure` gives for the folder of the training sets to `metrics`, and show it.

    Of `missing` the command's user is told in words.
    """
    parser, options = _command(arguments, description, metrics)
    try:
        figures = measure(options.data)
    except missing as error:
        parser.error(str(error))
    text = json.dumps(figures, indent=2) + "\n"
    options.output.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def write_artefact(
    arguments: Sequence[str] | None,
    description: str,
    artefact: Path,
    make: Callable[[Path], tuple[bytes, str]],
) -> None:
    """Write the bytes that `make` gives for the folder of the training sets to `artefact`, and show
    what it says of them."""
    parser, options = _command(arguments, description, artefact)
    try:
        content, said = make(options.data)
    except TrainingDataMissing as error:
        parser.error(str(error))
    options.output.write_bytes(content)
    sys.stdout.write(f"{options.output}: {len(content)} bytes, {said}\n")


def _command(
    arguments: Sequence[str] | None, description: str, output: Path
) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, default=default_directory(), help="training sets")
    parser.add_argument("--output", type=Path, default=output, help="where the result goes")
    return parser, parser.parse_args(arguments)
