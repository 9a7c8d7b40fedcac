"""Read the tasks' data: files of the training sets, and examples written for this project."""

import csv
import gzip
import io
from pathlib import Path

from models.training_data import read_training_set


class ExamplesInvalid(ValueError):
    """A file of own examples that cannot be parsed; the message names the line."""


def read_data_file(directory: Path, file: Path) -> bytes:
    """Read a file of the training sets, decompressed if its name ends in `.gz`.

    Raises TrainingDataMissing.
    """
    data = read_training_set(directory, file)
    return gzip.decompress(data) if file.suffix == ".gz" else data


def read_csv_rows(directory: Path, file: Path) -> list[dict[str, str]]:
    """Read a CSV file's rows as dictionaries by column name. Raises TrainingDataMissing."""
    return list(csv.DictReader(io.StringIO(read_data_file(directory, file).decode("utf-8-sig"))))


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Read a file of two tab-separated texts per line. Raises ExamplesInvalid."""
    return [
        _parse_pair(path, number, line)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    ]


def _parse_pair(path: Path, number: int, line: str) -> tuple[str, str]:
    """Parse a line with two tab-separated texts. Raises ExamplesInvalid."""
    first, tab, second = line.partition("\t")
    if not (first.strip() and tab and second.strip()) or "\t" in second:
        raise ExamplesInvalid(f"{path.name}, line {number}: expected two texts separated by a tab.")
    return first.strip(), second.strip()
