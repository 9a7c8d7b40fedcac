"""Calls of known percentiles."""

from dataclasses import dataclass


@dataclass
class Calls:
    """Calls whose n-th percentile takes n milliseconds."""

    num_requests: int
    num_failures: int = 0

    def get_response_time_percentile(self, percent: float) -> float:
        return 100 * percent
