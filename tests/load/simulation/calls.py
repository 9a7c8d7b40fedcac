"""Scheduled calls for tests of simulated fleets."""

from load.replay.arrivals import Arrival
from load.replay.schedule import ScheduledCall


def scheduled(*calls: tuple[float, int, int]) -> list[ScheduledCall]:
    """Calls by arrival time, input tokens and output tokens."""
    return [ScheduledCall(Arrival(at_s, prompt, answer), "acme") for at_s, prompt, answer in calls]


def evenly(count: int, token_interval_s: float, prompt: int, answer: int) -> list[ScheduledCall]:
    """Equal calls at a fixed interval in seconds."""
    return scheduled(*((number * token_interval_s, prompt, answer) for number in range(count)))
