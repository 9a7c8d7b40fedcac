"""Forward queued batches to the gateway, oldest first, each until it is stored."""

import asyncio
from pathlib import Path

import httpx
import structlog

from gateway.plant.connector.disk_queue import DiskQueue
from infra.clock import Clock
from infra.telemetry.plant_metrics import ConnectorMetrics

PATH = "/v1/plant/readings"
_FIRST_DELAY_S, _MAX_DELAY_S = 1.0, 60.0
# The body itself is wrong; a repeated request would fail again.
_FINAL = frozenset({400, 413, 415, 422})


class Forwarder:
    """Sends batches with one API key. Repeated batches are safe: stored readings are duplicates."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        queue: DiskQueue,
        clock: Clock,
        metrics: ConnectorMetrics,
    ) -> None:
        self._client = client
        self._queue = queue
        self._clock = clock
        self._metrics = metrics
        self._delay_s = _FIRST_DELAY_S
        self._log = structlog.get_logger()
        self.stored = self.refused = 0

    async def run(self, idle_s: float) -> None:
        """Forward batches until cancelled; looks for new ones every `idle_s` seconds."""
        while True:
            if await self.forward_waiting():
                self._delay_s = _FIRST_DELAY_S
                await asyncio.sleep(idle_s)
            else:
                await asyncio.sleep(self._delay_s)
                self._delay_s = min(2 * self._delay_s, _MAX_DELAY_S)

    async def forward_waiting(self) -> bool:
        """Forward the batches that wait. Returns False if one has to be repeated later."""
        for path in list(self._queue.waiting()):
            if not await self._forward(path):
                return False
        return True

    async def _forward(self, path: Path) -> bool:
        """Send one batch, and remove it if it is done with."""
        # The time of sending: the gateway measures by it how far this clock is behind.
        headers = {
            "content-type": "application/json",
            "x-maas-sent-at": self._clock.now().isoformat(),
        }
        content = await asyncio.to_thread(path.read_bytes)
        try:
            answer = await self._client.post(PATH, content=content, headers=headers)
        except httpx.HTTPError as error:
            self._log.warning("the gateway does not answer", error=type(error).__name__)
            return False
        if answer.status_code == 200:
            self._count(answer)
            self._queue.remove(path)
            return True
        self._log.warning("a batch was refused", status=answer.status_code, batch=path.name)
        if answer.status_code in _FINAL:
            self._queue.set_aside(path)
            return True
        return False

    def _count(self, answer: httpx.Response) -> None:
        """Count stored and refused readings, and log the first refusal."""
        result = answer.json()
        for outcome in ("stored", "duplicates", "refused"):
            self._metrics.forwarded.labels(outcome).inc(result[outcome])
        self._metrics.queue_bytes.set(self._queue.size)
        self.stored += result["stored"] + result["duplicates"]
        self.refused += result["refused"]
        if result["errors"]:
            self._log.warning("readings were refused", first=result["errors"][0])
