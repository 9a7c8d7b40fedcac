"""Read the rows of the first filled sheet of an Excel workbook."""

import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence

import msgspec

from models.problems import Problem, Problems
from models.sentences import sentence
from models.tables import workbook_process
from models.tables.assembling import Cell
from models.tables.workbook_process import LENGTH_BYTES, SheetHead

_SIGNATURES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
# A workbook is a ZIP archive: a small file may hold gigabytes.
_MAX_UNPACKED_BYTES = 512 << 20
# The child ends itself after its processor time; this is for one that waits for something.
_TOTAL_S = 900.0


def is_workbook(content: bytes) -> bool:
    """Return whether a file is a workbook (xlsx, xlsm, xls or ods) by its first bytes."""
    return content.startswith(_SIGNATURES)


def read_workbook_rows(content: bytes, problems: Problems) -> Iterator[tuple[int, Sequence[Cell]]]:
    """Yield the filled rows of the first sheet that has any, with their numbers in the sheet.

    A merged area has its value in each of its cells. Reports files that cannot be read.
    """
    if content[:2] == b"PK" and _is_too_large(content):
        message = sentence("The workbook is larger than 512 MiB when it is unpacked.")
        problems.add(Problem("file_too_large", message, sentence("Save the sheet as CSV.")))
        return
    output = _read_in_process(content)
    if output is None:
        message = sentence("The workbook takes too much memory or time to read.")
        fix = sentence(
            "Delete the rows and columns below and beside the table, where a cell may be filled, "
            "or save the sheet as CSV."
        )
        problems.add(Problem("file_too_large", message, fix))
        return
    parts = _split_parts(output)
    head = msgspec.msgpack.decode(next(parts), type=SheetHead)
    if head.error is not None:
        message = sentence("The workbook cannot be read: {error}.", error=head.error)
        problems.add(
            Problem("invalid_workbook", message, sentence("Save it again as xlsx or CSV."))
        )
    if head.name is not None and head.sheets > 1:
        problems.notes.append(sentence("The sheet {name} was read.", name=repr(head.name)))
    decoder = msgspec.msgpack.Decoder(tuple[int, list[float | str]])
    yield from map(decoder.decode, parts)


def _read_in_process(content: bytes) -> bytes | None:
    """Return what the child process wrote about a workbook, None if it exceeded its limits."""
    try:
        child = subprocess.run(  # noqa: S603  # our own module, by our own interpreter
            [sys.executable, "-m", workbook_process.__name__],
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TOTAL_S,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return child.stdout if child.returncode == 0 else None


def _split_parts(output: bytes) -> Iterator[memoryview]:
    """Yield the parts of an output, each after its length."""
    view, position = memoryview(output), 0
    while position < len(view):
        start = position + LENGTH_BYTES
        position = start + int.from_bytes(view[position:start])
        yield view[start:position]


def _is_too_large(content: bytes) -> bool:
    """Return whether a ZIP archive unpacks to more than is read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return sum(item.file_size for item in archive.infolist()) > _MAX_UNPACKED_BYTES
    except zipfile.BadZipFile:
        return False  # reported when it is read
