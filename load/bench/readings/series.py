"""Filters and compression of measured series: share kept, largest error, bytes a reading."""

import bz2
import gzip
import lzma
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.plant.readings.codec import decode, encode
from gateway.plant.readings.filtering.deadband import Deadband, Midrange, ReportByException
from gateway.plant.readings.filtering.filter import ReadingFilter, Sample, apply
from gateway.plant.readings.filtering.reconstruction import held, interpolated
from gateway.plant.readings.filtering.swinging_door import SwingingDoor
from gateway.plant.readings.values import Series

_SHARE_OF_RANGE = 0.01
_STEP_US = 1_000_000
_ROUNDS = 5
_Restore = Callable[[Sequence[Sample], Sequence[int]], NDArray[np.float64]]


def measure_series(files: Iterable[Path]) -> list[str]:
    """Return tables of the filters' shares and errors, and of the sizes of blocks."""
    loaded = {file.name.split(".")[0]: _load(file) for file in files}
    filters = [
        f"Bound {_SHARE_OF_RANGE:.0%} of the range.",
        "",
        "| series | readings | filter | kept | largest error, of the range | mean error |",
        "|---|---|---|---|---|---|",
    ]
    for name, values in loaded.items():
        filters += _filter_rows(name, values)
    sizes = [
        "",
        "| series | coding | bytes a reading | write, µs | read, µs |",
        "|---|---|---|---|---|",
    ]
    for name, values in loaded.items():
        sizes += _size_rows(name, values)
    return filters + sizes


def _load(file: Path) -> NDArray[np.float64]:
    """Return the last column of a CSV file, which may be compressed."""
    text = gzip.open(file, "rt") if file.suffix == ".gz" else file.open()
    with text as lines:
        separator = ";" if ";" in next(lines) else ","
        return np.asarray([float(line.rsplit(separator, 1)[1]) for line in lines if line.strip()])


def _filter_rows(name: str, values: NDArray[np.float64]) -> Iterator[str]:
    """Yield the rows of one series."""
    samples = [Sample(at * _STEP_US, float(value)) for at, value in enumerate(values)]
    times = [one.time_us for one in samples]
    width = float(np.ptp(values))
    chosen: tuple[tuple[str, ReadingFilter, _Restore], ...] = (
        ("swinging door", SwingingDoor(_SHARE_OF_RANGE * width), interpolated),
        ("midrange", Midrange(_SHARE_OF_RANGE * width), held),
        ("deadband", Deadband(_SHARE_OF_RANGE * width), held),
        ("by exception", ReportByException(), held),
    )
    for label, one, restore in chosen:
        kept = list(apply(one, samples))
        errors = np.abs(restore(kept, times) - values) / width
        share = len(kept) / len(samples)
        yield (
            f"| {name} | {len(samples):,} | {label} | {share:.1%} | {errors.max():.2%} "
            f"| {errors.mean():.2%} |"
        )


def _size_rows(name: str, values: NDArray[np.float64]) -> Iterator[str]:
    """Yield the rows of one series: our blocks by level, and whole arrays by other codecs."""
    series = Series.of(np.arange(min(len(values), 3600)) * _STEP_US, values[:3600])
    for level in (1, 6, 9):
        yield _size_row(
            name, f"block, zlib {level}", series, lambda one, by=level: encode(one, by), decode
        )
    plain = series.times.tobytes() + series.values.tobytes()
    codecs: tuple[tuple[str, Callable[[bytes], bytes], Callable[[bytes], bytes]], ...] = (
        ("arrays, zlib 6", lambda data: zlib.compress(data, 6), zlib.decompress),
        ("arrays, bzip2", bz2.compress, bz2.decompress),
        ("arrays, xz", lzma.compress, lzma.decompress),
    )
    for label, write, read in codecs:
        started = time.perf_counter()
        packed = write(plain)
        written = time.perf_counter()
        read(packed)
        micro = (written - started) * 1e6, (time.perf_counter() - written) * 1e6
        size = len(packed) / len(series)
        yield f"| {name} | {label} | {size:.2f} | {micro[0]:.0f} | {micro[1]:.0f} |"


def _size_row(
    name: str,
    label: str,
    series: Series,
    write: Callable[[Series], bytes],
    read: Callable[[bytes], Series],
) -> str:
    """Return a row with the fastest of several rounds."""
    best_write = best_read = float("inf")
    packed = b""
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        packed = write(series)
        written = time.perf_counter()
        read(packed)
        best_write = min(best_write, written - started)
        best_read = min(best_read, time.perf_counter() - written)
    size = len(packed) / len(series)
    return f"| {name} | {label} | {size:.2f} | {best_write * 1e6:.0f} | {best_read * 1e6:.0f} |"
