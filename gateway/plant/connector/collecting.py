"""Filter readings of points and write them to the queue in batches, as request bodies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from gateway.plant.connector.disk_queue import DiskQueue, QueueFull
from gateway.plant.connector.filters import FilterConfig, create_filter
from gateway.plant.readings.filtering.filter import ReadingFilter, Sample
from gateway.plant.readings.formats.times import format_time, from_datetime
from infra.clock import Clock
from infra.telemetry.plant_metrics import ConnectorMetrics

# While the disk is full, so many readings wait in memory.
_MAX_PENDING = 200_000
# The gateway refuses readings that are further ahead of its clock (MAAS_READINGS_FUTURE_S).
_MAX_AHEAD_US = 120 * 1_000_000
_MAX_TAG_LENGTH = 200


@dataclass(frozen=True, slots=True)
class CollectedPoint:
    """A point with its unit and filter; None passes all readings."""

    tag: str
    unit: str
    filter: ReadingFilter | None


class Collector:
    """Collects readings of points by tag; `flush` makes them durable.

    At most `max_points` points are added while it runs, each with a filter of its own.
    """

    def __init__(
        self,
        points: Mapping[str, CollectedPoint],
        queue: DiskQueue,
        source: str,
        size: int,
        clock: Clock,
        metrics: ConnectorMetrics,
        max_points: int = 0,
    ) -> None:
        self._points = dict(points)
        self._queue = queue
        self._source = source
        self._size = size
        self._clock = clock
        self._metrics = metrics
        self._max_points = len(self._points) + max_points
        self._pending: list[dict[str, object]] = []
        self._newest_us: dict[str, int] = {}
        self._log = structlog.get_logger()
        self.received = self.dropped = 0

    def add_point(self, tag: str, unit: str, config: FilterConfig) -> bool:
        """Add a point unless it is known; False if its tag is invalid or there are too many."""
        if tag in self._points:
            return True
        is_valid = 0 < len(tag) <= _MAX_TAG_LENGTH and tag.isprintable()
        if not is_valid or len(self._points) >= self._max_points:
            return False
        self._points[tag] = CollectedPoint(tag, unit, create_filter(config))
        return True

    def add(self, tag: str, sample: Sample) -> None:
        """Add a reading of a point; it waits in memory until `flush`."""
        point = self._points[tag]
        self.received += 1
        self._metrics.received.inc()
        kept: Sequence[Sample] = (sample,)
        if point.filter is not None and self._is_in_order(tag, sample):
            kept = point.filter.feed(sample)
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
            self._metrics.dropped.inc(excess)
        self._metrics.queue_bytes.set(self._queue.size)

    def _is_in_order(self, tag: str, sample: Sample) -> bool:
        """Whether a filter can take a reading: after the last one, and not ahead of the clock.

        Late and duplicate readings are passed on unfiltered; the gateway decides about them.
        """
        ahead_us = sample.time_us - from_datetime(self._clock.now())
        if ahead_us > _MAX_AHEAD_US or sample.time_us <= self._newest_us.get(tag, -1):
            return False
        self._newest_us[tag] = sample.time_us
        return True

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
        self._metrics.kept.inc()
