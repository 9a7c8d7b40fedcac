"""Calls as values, for tests of simulated fleets."""

from load.replay.arrivals import Arrival
from load.replay.schedule import Due


def due(*calls: tuple[float, int, int]) -> list[Due]:
    """When each comes, tokens of its prompt and of its answer."""
    return [Due(Arrival(at_s, prompt, answer), "acme") for at_s, prompt, answer in calls]


def evenly(count: int, each_s: float, prompt: int, answer: int) -> list[Due]:
    """One after the other, so many seconds apart."""
    return due(*((number * each_s, prompt, answer) for number in range(count)))
