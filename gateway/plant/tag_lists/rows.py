"""Read the rows of a file with a tag list: CSV in any usual dialect and encoding, or Excel."""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice

from gateway.plant.tag_lists.columns import count_known
from models.problems import Problem, Problems
from models.sentences import sentence
from models.tables.reading import detect_delimiter
from models.tables.workbooks import is_workbook, read_workbook_rows
from models.training_text import to_utf8

Row = tuple[int, Sequence[str | float]]
# Rows above the header that may hold a title.
MAX_TITLE_ROWS = 20
_SAMPLE_LINES = 50


def read_rows(content: bytes, problems: Problems) -> Iterator[Row]:
    """Yield the rows of a file with their numbers from 1. Reports files that cannot be read."""
    if is_workbook(content):
        yield from read_workbook_rows(content, problems)
        return
    text = to_utf8(content, problems).decode("utf-8", "replace")
    if problems.count:
        return
    delimiter = detect_delimiter(text[: 1 << 20].splitlines()[:_SAMPLE_LINES])
    yield from _csv_rows(text, delimiter, problems)


def _csv_rows(text: str, delimiter: str, problems: Problems) -> Iterator[Row]:
    """Yield the rows of a CSV text; numbers are those of lines."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        message = sentence(
            "Line {number} is not valid CSV: {error}.",
            number=reader.line_num,
            error=str(error)[:200],
        )
        problems.add(
            Problem(
                "invalid_csv", message, sentence("Save the file again as CSV."), reader.line_num
            )
        )


def split_header(rows: Iterator[Row], problems: Problems) -> tuple[Sequence[object], Iterator[Row]]:
    """Return the header, and the rows below it.

    The header is the row among the first ones with the most names of columns. Reports a file
    without a header.
    """
    top = list(islice(rows, MAX_TITLE_ROWS))
    best = max(range(len(top)), key=lambda at: (count_known(top[at][1]), -at), default=None)
    if best is None or not count_known(top[best][1]):
        if not problems.count:
            message = sentence("The file has no row with names of columns such as tag and unit.")
            fix = sentence("Write the names of the columns in the first row.")
            problems.add(Problem("no_header", message, fix))
        return (), iter(())

    def below() -> Iterator[Row]:
        """Yield the rows below the header."""
        yield from top[best + 1 :]
        yield from rows

    return top[best][1], below()
