"""Locate the training sets, and write the artefacts and metrics of training commands."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

DIRECTORY_VARIABLE = "MAAS_TRAINING_DATA"


class TrainingDataMissing(FileNotFoundError):
    """A training set is missing in the data directory."""


def default_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the training sets' folder: `MAAS_TRAINING_DATA`, or beside the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(environment.get(DIRECTORY_VARIABLE) or default)


def read_training_set(directory: Path, file: Path, what: str = "it") -> bytes:
    """Read a file of the training sets. Raises TrainingDataMissing, which asks for `what`."""
    path = directory / file
    if not path.is_file():
        raise TrainingDataMissing(
            f"{path} is absent. Put {what} there, or give the folder that contains {file} with "
            f"--data or {DIRECTORY_VARIABLE}."
        )
    return path.read_bytes()


def record_metrics(
    arguments: Sequence[str] | None,
    description: str,
    metrics: Path,
    evaluate: Callable[[Path], Mapping[str, Any]],
    reported_errors: tuple[type[Exception], ...] = (TrainingDataMissing,),
) -> None:
    """Write the metrics that `evaluate` computes from the training sets, and print them.

    Exceptions in `reported_errors` become the command's error message.
    """
    parser, options = _parse_arguments(arguments, description, metrics)
    try:
        figures = evaluate(options.data)
    except reported_errors as error:
        parser.error(str(error))
    text = json.dumps(figures, indent=2) + "\n"
    options.output.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def write_artefact(
    arguments: Sequence[str] | None,
    description: str,
    artefact: Path,
    train: Callable[[Path], tuple[bytes, str]],
) -> None:
    """Write the artefact that `train` creates from the training sets, and print its summary."""
    parser, options = _parse_arguments(arguments, description, artefact)
    try:
        content, summary = train(options.data)
    except TrainingDataMissing as error:
        parser.error(str(error))
    options.output.write_bytes(content)
    sys.stdout.write(f"{options.output}: {len(content)} bytes, {summary}\n")


def _parse_arguments(
    arguments: Sequence[str] | None, description: str, output: Path
) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Parse the command line options `--data` and `--output`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--data", type=Path, default=default_directory(), help="directory of the training sets"
    )
    parser.add_argument("--output", type=Path, default=output, help="file to write")
    return parser, parser.parse_args(arguments)
