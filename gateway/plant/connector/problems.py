"""Messages that could not be used: counted by reason, logged at most once a minute each."""

import structlog

from infra.clock import Clock
from infra.telemetry.plant_metrics import ConnectorMetrics

_LOG_EVERY_S = 60.0
_MAX_DETAIL = 200


class Problems:
    """Counts and logs problems of one source."""

    def __init__(self, source: str, clock: Clock, metrics: ConnectorMetrics) -> None:
        self._source = source
        self._clock = clock
        self._metrics = metrics
        self._logged: dict[str, float] = {}
        self._log = structlog.get_logger()

    def report(self, reason: str, detail: str) -> None:
        """Count a problem; `reason` is one of few words, `detail` says where."""
        self._metrics.problems.labels(self._source, reason).inc()
        now = self._clock.monotonic()
        if now - self._logged.get(reason, -_LOG_EVERY_S) >= _LOG_EVERY_S:
            self._logged[reason] = now
            self._log.warning(
                "a message cannot be used",
                source=self._source,
                reason=reason,
                detail=detail[:_MAX_DETAIL],
            )
