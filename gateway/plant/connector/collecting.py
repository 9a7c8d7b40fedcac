"""Filter readings of points and write them to the queue in batches, as request bodies."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import structlog

from gateway.plant.connector.disk_queue import DiskQueue, QueueFull
from gateway.plant.readings.filtering.filter import ReadingFilter, Sample
from gateway.plant.readings.formats.times import format_time

# While the disk is full, so many readings wait in memory.
_MAX_PENDING = 200_000


@dataclass(frozen=True, slots=True)
class CollectedPoint:
    """A point with its unit and filter; None passes all readings."""

    tag: str
    unit: str
    filter: ReadingFilter | None


class Collector:
    """Collects readings of points by tag; `flush` makes them durable."""

    def __init__(
        self, points: Mapping[str, CollectedPoint], queue: DiskQueue, source: str, size: int
    ) -> None:
        self._points = points
        self._queue = queue
        self._source = source
        self._size = size
        self._pending: list[dict[str, object]] = []
        self._log = structlog.get_logger()
        self.received = self.dropped = 0

    def add(self, tag: str, sample: Sample) -> None:
        """Add a reading of a point; it waits in memory until `flush`."""
        point = self._points[tag]
        self.received += 1
        kept = (sample,) if point.filter is None else point.filter.feed(sample)
        for one in kept:
            self._append(point, one)

    def end(self) -> None:
        """End all filters, so that no reading is held back, and flush."""
        for point in self._points.values():
            for one in () if point.filter is None else point.filter.flush():
                self._append(point, one)
        self.flush()

    def flush(self) -> None:
        """Write waiting readings to the queue. If it is full, they wait, the oldest are dropped."""
        while self._pending:
            batch = self._pending[: self._size]
            body = {"source": self._source, "readings": batch}
            try:
                self._queue.put(msgspec.json.encode(body))
            except (QueueFull, OSError) as error:
                self._log.warning("the queue cannot be written", error=str(error))
                break
            del self._pending[: len(batch)]
        excess = len(self._pending) - _MAX_PENDING
        if excess > 0:
            del self._pending[:excess]
            self.dropped += excess

    def _append(self, point: CollectedPoint, sample: Sample) -> None:
        """Add a kept reading to those that wait."""
        reading: dict[str, object] = {
            "tag": point.tag,
            "time": format_time(sample.time_us),
            "value": sample.value,
        }
        if sample.status:
            reading["quality"] = sample.status
        if point.unit:
            reading["unit"] = point.unit
        self._pending.append(reading)
