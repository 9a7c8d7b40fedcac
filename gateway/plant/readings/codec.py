"""Compressed blocks of readings: a header, then one compressed body with a section per array.

Times are stored as differences of differences in the largest unit that divides them. Values that
are decimal numbers with few digits are stored as differences of scaled integers, others as the
exclusive or of successive numbers. The bytes of a section are transposed, so that equal bytes are
neighbours. Decoding returns exactly the encoded arrays, bit by bit.

Few readings are stored as plain arrays: to compress them takes far longer than to copy them.
"""

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.plant.readings.values import Series

# Version, value mode, decimal digits, flags, count, unit of times, first time, first difference,
# lengths of the sections.
_HEADER = struct.Struct("<BBBBIQqqIIIII")
_VERSION = 1
# Version of plain blocks, and the count.
_PLAIN_HEADER = struct.Struct("<BxxxI")
_PLAIN_VERSION = 2
_MAX_PLAIN = 64
# Bytes of a reading before each array, and of all: time, value, status, revised.
_PLAIN_STARTS, _PLAIN_BYTES = (0, 8, 16, 20), 21
_SCALED, _XORED = 0, 1
_HAS_MISSING, _HAS_STATUSES, _HAS_REVISIONS = 1, 2, 4
_MAX_DIGITS = 6
_MAX_SCALED = float(1 << 53)
_SAMPLE = 64
_INTEGERS = (np.int8, np.int16, np.int32, np.int64)
# One second of 1 kHz readings fills no block; a damaged header must not reserve all memory.
MAX_READINGS = 8_000_000
# Speed and size of levels on measured series: docs/decisions/0081.
BLOCK_LEVEL, BUFFER_LEVEL = 6, 1

_Integers = NDArray[np.int64]


class BlockDamaged(ValueError):
    """The bytes are no block of readings, or are damaged."""


@dataclass(frozen=True, slots=True)
class _EncodedValues:
    """The values of a block: how they are encoded, and the section."""

    mode: int
    digits: int
    section: bytes


def encode_for_buffer(series: Series) -> bytes:
    """Return the series as a block that is fast to write; times must not decrease.

    Raises ValueError for too many readings.
    """
    if len(series) > _MAX_PLAIN:
        return encode(series, BUFFER_LEVEL)
    arrays = (series.times, series.values, series.statuses, series.revised)
    header = _PLAIN_HEADER.pack(_PLAIN_VERSION, len(series))
    return b"".join((header, *(array.tobytes() for array in arrays)))


def encode(series: Series, level: int = BLOCK_LEVEL) -> bytes:
    """Return the series as a compressed block; times must not decrease.

    Raises ValueError for too many readings.
    """
    count = len(series)
    if count > MAX_READINGS:
        raise ValueError(f"a block has at most {MAX_READINGS} readings")
    unit, first, step, times = _encode_times(series.times)
    missing = np.isnan(series.values)
    has_missing, has_statuses = bool(missing.any()), bool(series.statuses.any())
    has_revisions = bool(series.revised.any())
    values = _encode_values(_filled(series.values, missing) if has_missing else series.values)
    sections = (
        times,
        values.section,
        np.packbits(missing).tobytes() if has_missing else b"",
        _transposed(series.statuses) if has_statuses else b"",
        np.packbits(series.revised).tobytes() if has_revisions else b"",
    )
    flags = (
        (_HAS_MISSING if has_missing else 0)
        | (_HAS_STATUSES if has_statuses else 0)
        | (_HAS_REVISIONS if has_revisions else 0)
    )
    header = _HEADER.pack(
        _VERSION, values.mode, values.digits, flags, count, unit, first, step, *map(len, sections)
    )
    return header + zlib.compress(b"".join(sections), level)


def decode(block: bytes) -> Series:
    """Return the series of a block. Raises BlockDamaged."""
    try:
        return _decode(block)
    except (struct.error, zlib.error, ValueError, IndexError, OverflowError) as error:
        raise BlockDamaged("a block of readings is damaged") from error


def _decode(block: bytes) -> Series:
    """Return the series of a block; raises various errors if it is damaged."""
    if block[:1] == bytes([_PLAIN_VERSION]):
        return _decode_plain(block)
    version, mode, digits, flags, count, unit, first, step, *lengths = _HEADER.unpack_from(block)
    if version != _VERSION or count > MAX_READINGS:
        raise ValueError("unknown version or count")
    body = _inflate(block[_HEADER.size :], sum(lengths))
    sections, start = [], 0
    for length in lengths:
        sections.append(body[start : start + length])
        start += length
    times, values, missing, statuses, revised = sections
    decoded = _decode_values(values, mode, digits, count)
    if flags & _HAS_MISSING:
        decoded[_bits(missing, count)] = np.nan
    return Series(
        _decode_times(times, unit, first, step, count),
        decoded,
        _restored(statuses, np.dtype(np.uint32), count).astype(np.uint32)
        if flags & _HAS_STATUSES
        else np.zeros(count, np.uint32),
        _bits(revised, count) if flags & _HAS_REVISIONS else np.zeros(count, np.bool_),
    )


def _decode_plain(block: bytes) -> Series:
    """Return the series of a plain block."""
    _version, count = _PLAIN_HEADER.unpack_from(block)
    if count > _MAX_PLAIN or len(block) != _PLAIN_HEADER.size + count * _PLAIN_BYTES:
        raise ValueError("wrong length")
    starts = [_PLAIN_HEADER.size + count * before for before in _PLAIN_STARTS]
    return Series(
        np.frombuffer(block, np.int64, count, starts[0]),
        np.frombuffer(block, np.float64, count, starts[1]),
        np.frombuffer(block, np.uint32, count, starts[2]),
        np.frombuffer(block, np.bool_, count, starts[3]),
    )


def _inflate(body: bytes, length: int) -> bytes:
    """Return the decompressed sections, which must have exactly `length` bytes."""
    decompressor = zlib.decompressobj()
    inflated = decompressor.decompress(body, length + 1)
    if len(inflated) != length or not decompressor.eof:
        raise ValueError("wrong length")
    return inflated


def _encode_times(times: NDArray[np.int64]) -> tuple[int, int, int, bytes]:
    """Return the unit in microseconds, first time, first difference and second differences."""
    if not len(times):
        return 1, 0, 0, b""
    first = int(times[0])
    if len(times) == 1:
        return 1, first, 0, b""
    steps = np.diff(times)
    unit = max(1, int(np.gcd.reduce(steps)))
    steps //= unit
    changes = np.diff(steps)
    return unit, first, int(steps[0]), _narrow(changes) if changes.any() else b""


def _decode_times(section: bytes, unit: int, first: int, step: int, count: int) -> _Integers:
    """Return the times of a block."""
    if not count:
        return np.zeros(0, np.int64)
    if not section:
        return first + np.arange(count, dtype=np.int64) * (step * unit)
    steps = np.empty(count - 1, np.int64)
    steps[0] = step
    steps[1:] = _widened(section, count - 2)
    np.cumsum(steps, out=steps)
    times = np.empty(count, np.int64)
    times[0] = 0
    np.cumsum(steps, out=times[1:])
    times *= unit
    times += first
    return times


def _filled(values: NDArray[np.float64], missing: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the values with missing ones replaced by the value before them, or by 0."""
    positions = np.maximum.accumulate(np.where(missing, -1, np.arange(len(values))))
    return np.where(positions < 0, 0.0, values[positions])


def _encode_values(values: NDArray[np.float64]) -> _EncodedValues:
    """Encode values as scaled integers if that is exact with few digits, else by exclusive or."""
    for digits in range(_MAX_DIGITS + 1):
        scaled = _scaled(values[:_SAMPLE], digits)
        if scaled is not None and (scaled := _scaled(values, digits)) is not None:
            return _EncodedValues(_SCALED, digits, _narrow(_differences(scaled)))
    bits = values.view(np.uint64)
    changes = bits.copy()
    changes[1:] ^= bits[:-1]
    return _EncodedValues(_XORED, 0, _transposed(changes))


def _scaled(values: NDArray[np.float64], digits: int) -> _Integers | None:
    """Return values times 10^digits as integers; None unless that restores the same bits."""
    factor = 10.0**digits
    with np.errstate(over="ignore"):
        scaled = np.rint(values * factor)
    if not (np.abs(scaled) < _MAX_SCALED).all():
        return None
    integers = scaled.astype(np.int64)
    is_exact = np.array_equal((integers / factor).view(np.int64), values.view(np.int64))
    return integers if is_exact else None


def _differences(integers: _Integers) -> _Integers:
    """Return the first integer, then the differences."""
    changes = integers.copy()
    changes[1:] -= integers[:-1]
    return changes


def _decode_values(section: bytes, mode: int, digits: int, count: int) -> NDArray[np.float64]:
    """Return the values of a block."""
    if mode == _SCALED:
        integers = np.cumsum(_widened(section, count))
        return integers / 10.0**digits if digits else integers.astype(np.float64)
    if mode != _XORED:
        raise ValueError("unknown mode")
    changes = _restored(section, np.dtype(np.uint64), count)
    return np.bitwise_xor.accumulate(changes).view(np.float64)


def _narrow(integers: _Integers) -> bytes:
    """Return integers in the fewest bytes that hold each of them, transposed."""
    if not len(integers):
        return b""
    low, high = int(integers.min()), int(integers.max())
    for kind in _INTEGERS:
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return _transposed(integers.astype(kind))
    raise ValueError("an integer is out of range")


def _widened(section: bytes, count: int) -> _Integers:
    """Return the integers of `_narrow`, whose width follows from the section's length."""
    if not count:
        return np.zeros(0, np.int64)
    width, rest = divmod(len(section), count)
    if rest or width not in (1, 2, 4, 8):
        raise ValueError("wrong width")
    return _restored(section, np.dtype(f"<i{width}"), count).astype(np.int64)


def _transposed(array: NDArray[np.generic]) -> bytes:
    """Return the bytes of an array with the first bytes of all items first, then the second."""
    width = array.dtype.itemsize
    if width == 1:
        return array.tobytes()
    items = np.ascontiguousarray(array).view(np.uint8).reshape(-1, width)
    return np.ascontiguousarray(items.T).tobytes()


def _restored(section: bytes, kind: "np.dtype[np.generic]", count: int) -> NDArray[np.generic]:
    """Return the array of `_transposed`."""
    transposed = np.frombuffer(section, np.uint8).reshape(kind.itemsize, count)
    return np.ascontiguousarray(transposed.T).reshape(-1).view(kind)


def _bits(section: bytes, count: int) -> NDArray[np.bool_]:
    """Return flags that were packed as bits."""
    return np.unpackbits(np.frombuffer(section, np.uint8), count=count).astype(np.bool_)
