"""Reading what tasks are made of: files of the training sets, and our own lines beside the code."""

import csv
import gzip
import io
from pathlib import Path

from models.training_data import content


class ExamplesInvalid(ValueError):
    """A file of our own examples that cannot be learned from; the message names the line."""


def packed(directory: Path, file: Path) -> bytes:
    """A file of the training sets, unpacked where its name ends in `.gz`.

    Raises TrainingDataMissing.
    """
    stored = content(directory, file)
    return gzip.decompress(stored) if file.suffix == ".gz" else stored


def table(directory: Path, file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by their columns' names. Raises TrainingDataMissing."""
    return list(csv.DictReader(io.StringIO(packed(directory, file).decode("utf-8-sig"))))


def pairs(path: Path) -> list[tuple[str, str]]:
    """Our own examples: two texts in each line, a tab between. Raises ExamplesInvalid."""
    return [
        _pair(path, number, line)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    ]


def _pair(path: Path, number: int, line: str) -> tuple[str, str]:
    first, tab, second = line.partition("\t")
    if not (first.strip() and tab and second.strip()) or "\t" in second:
        raise ExamplesInvalid(f"{path.name}, line {number}: two texts are wanted, a tab between.")
    return first.strip(), second.strip()
