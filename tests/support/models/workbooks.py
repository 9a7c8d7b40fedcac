"""Workbooks in the format of Excel 97 (xls), without Excel."""

import struct
from collections.abc import Mapping

_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_SECTOR = 512
_NUMBER, _BEGIN, _SHEET, _CLOSE = 0x203, 0x809, 0x85, 0x0A


def old_workbook(numbers: Mapping[tuple[int, int], float]) -> bytes:
    """An xls file with one sheet of numbers, by row and column from 0."""
    start = len(_globals(0))
    cells = (
        _record(_NUMBER, struct.pack("<HHHd", row, column, 0, value))
        for (row, column), value in numbers.items()
    )
    sheet = _begin(0x10) + b"".join(cells) + _record(_CLOSE, b"")
    return _container(_globals(start) + sheet)


def _globals(sheet_start: int) -> bytes:
    name = struct.pack("<IBBBB", sheet_start, 0, 0, 5, 0) + b"Sheet"
    return _begin(5) + _record(_SHEET, name) + _record(_CLOSE, b"")


def _begin(kind: int) -> bytes:
    return _record(_BEGIN, struct.pack("<HHHHII", 0x600, kind, 0, 0, 0, 0))


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def _container(stream: bytes) -> bytes:
    """A compound file with the stream of a workbook: header, allocation table, directory."""
    stream = stream.ljust(max(4096, -(-len(stream) // _SECTOR) * _SECTOR), b"\0")
    count = len(stream) // _SECTOR
    table = [_FAT, _END, *range(3, 2 + count), _END]
    table += [_FREE] * (_SECTOR // 4 - len(table))
    directory = _entry("Root Entry", 5, 1, _END, 0) + _entry("Workbook", 2, _FREE, 2, len(stream))
    counts = (0, 1, 1, 0, 4096, _END, 0, _END, 0, 0)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6x10I", 0x3E, 3, 0xFFFE, 9, 6, *counts)
    header = header.ljust(_SECTOR, b"\xff")
    return header + struct.pack("<128I", *table) + directory.ljust(_SECTOR, b"\0") + stream


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    text = name.encode("utf-16-le") + bytes(2)
    head = struct.pack("<HBBIII", len(text), kind, 1, _FREE, _FREE, child)
    return text.ljust(64, b"\0") + head + bytes(36) + struct.pack("<IQ", start, size)
