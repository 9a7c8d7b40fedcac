"""Connect to a source again and again, with growing delays, until cancelled."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.plant.connector.addresses import shown_address
from infra.clock import Clock
from infra.telemetry.plant_metrics import ConnectorMetrics

_FIRST_DELAY_S, _MAX_DELAY_S = 1.0, 60.0


class Connections:
    """Keeps one source connected; logs and counts what happens."""

    def __init__(
        self,
        source: str,
        clock: Clock,
        metrics: ConnectorMetrics,
        first_delay_s: float = _FIRST_DELAY_S,
    ) -> None:
        self._source = shown_address(source)
        self._clock = clock
        self._gauge = metrics.connected.labels(self._source)
        self._first_delay_s = first_delay_s
        self._log = structlog.get_logger()

    async def keep(
        self, connect: Callable[[], Awaitable[None]], errors: tuple[type[Exception], ...]
    ) -> None:
        """Run `connect`, which returns when the connection ends, until cancelled."""
        delay_s = self._first_delay_s
        while True:
            started = self._clock.monotonic()
            self._gauge.set(0)
            try:
                await connect()
            except errors as error:
                text = f"{type(error).__name__}: {error}"
                self._log.warning("a source is not connected", source=self._source, error=text)
            finally:
                self._gauge.set(0)
            if self._clock.monotonic() - started > _MAX_DELAY_S:
                delay_s = self._first_delay_s
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, _MAX_DELAY_S)

    def connected(self) -> None:
        """Record that the source is connected."""
        self._gauge.set(1)
        self._log.info("a source is connected", source=self._source)
