"""Keep the newest value of one tag that a broker's handler reads, for read-back."""

import asyncio

from gateway.plant.connector.commands.targets import IsConfirmed
from gateway.plant.connector.filters import FilterConfig
from gateway.plant.readings.filtering.filter import Sample
from gateway.plant.readings.quality import Quality, quality_of


class LatestValue:
    """Takes readings from a handler like a collector, and keeps those of one tag."""

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self._value: float | None = None
        self._arrived = asyncio.Event()

    def add_point(self, tag: str, unit: str, config: FilterConfig) -> bool:
        """Accept readings of the tag only."""
        return tag == self._tag

    def add(self, tag: str, sample: Sample) -> None:
        """Keep the value of a reading of good quality."""
        if sample.value is not None and quality_of(sample.status) is Quality.GOOD:
            self._value = sample.value
            self._arrived.set()

    def forget(self) -> None:
        """Forget the value: what arrives from now on was read after a write."""
        self._value = None
        self._arrived.clear()

    async def wait(self, is_wanted: IsConfirmed, within_s: float) -> float | None:
        """Return the first wanted value; the last one if none comes in time."""
        try:
            async with asyncio.timeout(within_s):
                while self._value is None or not is_wanted(self._value):
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            pass
        return self._value
