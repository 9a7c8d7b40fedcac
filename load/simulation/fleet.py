"""A simulated fleet: calls queue in order, go to the least loaded replica, and replicas are
autoscaled.

A call first waits in the gateway for the model's `concurrency`, then, visible to the autoscaler,
for a replica with a free slot.
"""

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import simpy

from load.replay.player import CallOutcome
from load.replay.schedule import ScheduledCall
from load.simulation.autoscaler import PendingDecision, ScalingRule, decide
from load.simulation.engine_speed import EngineSpeed
from load.simulation.replica import Replica

_SAMPLE_INTERVAL_S = 1.0
Process = Generator[simpy.Event, Any, None]


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """Settings of a fleet.

    `concurrency` limits the calls in flight, 0 means unlimited. `start_s` is the time from
    requesting a replica to its first call. `initial_replicas` defaults to the rule's minimum.
    """

    engine_speed: EngineSpeed
    rule: ScalingRule
    concurrency: int = 0
    start_s: float = 120.0
    initial_replicas: int | None = None


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """Outcomes of the calls, duration, paid replica seconds, and the most replicas at one time."""

    outcomes: tuple[CallOutcome, ...]
    seconds: float
    replica_s: float
    max_replicas: int

    @property
    def mean_replicas(self) -> float:
        """Return the mean number of paid replicas."""
        return self.replica_s / self.seconds


def simulate(settings: FleetSettings, scheduled: Sequence[ScheduledCall]) -> SimulationResult:
    """Simulate the calls until the last one is answered."""
    env = simpy.Environment()
    fleet = _Fleet(env, settings)
    env.process(fleet.run_autoscaler())
    env.run(until=env.process(fleet.run_calls(scheduled)))
    return SimulationResult(tuple(fleet.outcomes), env.now, fleet.paid_s(), fleet.max_replicas)


class _Fleet:
    """The state of one simulation."""

    def __init__(self, env: simpy.Environment, settings: FleetSettings) -> None:
        self._env = env
        self._settings = settings
        self._begun: dict[Replica, float] = {}
        self._ended_s = 0.0
        self._ready: list[Replica] = []
        self._starting = 0
        self._starting_s: deque[float] = deque()
        self._waiting: deque[simpy.Event] = deque()
        self._in_flight = 0
        self._ongoing = _MovingAverage(env, settings.rule.look_back_s, settings.concurrency)
        self._answered = env.event()
        self.max_replicas = 0
        self.outcomes: list[CallOutcome] = []
        initial_replicas = (
            settings.rule.min_replicas
            if settings.initial_replicas is None
            else settings.initial_replicas
        )
        for _ in range(initial_replicas):
            self._add(Replica(env, settings.engine_speed), env.now)

    def run_calls(self, scheduled: Sequence[ScheduledCall]) -> Process:
        """Start each call at its time; ends when all are answered."""
        ordered = sorted(scheduled, key=lambda one: one.arrival.at_s)
        for one in ordered:
            # Scheduled one by one: a queue of all calls of an hour would make each event slower.
            yield self._env.timeout(max(0.0, one.arrival.at_s - self._env.now))
            self._env.process(self._call(one))
        while len(self.outcomes) < len(ordered):
            yield self._answered
            self._answered = self._env.event()

    def _call(self, scheduled: ScheduledCall) -> Process:
        env = self._env
        self._ongoing.add(1)
        turn = env.event()
        self._waiting.append(turn)
        self._dispatch()
        replica: Replica = yield turn
        first = yield env.process(replica.answer(scheduled.arrival))
        self._ongoing.add(-1)
        self._free(replica)
        self.outcomes.append(_outcome(scheduled, first, env.now))
        if not self._answered.triggered:
            self._answered.succeed()

    def run_autoscaler(self) -> Process:
        """Sample the load every second and start or stop replicas."""
        rule, pending = self._settings.rule, PendingDecision()
        while True:
            yield self._env.timeout(_SAMPLE_INTERVAL_S)
            current = len(self._ready) + self._starting
            wanted, pending = decide(rule, self._ongoing.sample(), current, pending, self._env.now)
            for _ in range(wanted - current):
                self._env.process(self._start())
            for _ in range(current - wanted):
                self._stop()

    def paid_s(self) -> float:
        """Return the replica seconds so far, each from its request until it has stopped."""
        begun = [*self._begun.values(), *self._starting_s]
        return self._ended_s + sum(self._env.now - since for since in begun)

    def _start(self) -> Process:
        since = self._env.now
        self._starting += 1
        self._starting_s.append(since)
        self._count()
        yield self._env.timeout(self._settings.start_s)
        self._starting -= 1
        self._starting_s.remove(since)
        self._add(Replica(self._env, self._settings.engine_speed), since)
        self._dispatch()

    def _add(self, replica: Replica, since: float) -> None:
        self._begun[replica] = since
        self._ready.append(replica)
        self._count()

    def _count(self) -> None:
        self.max_replicas = max(self.max_replicas, len(self._begun) + self._starting)

    def _stop(self) -> None:
        """Give no more calls to the least loaded replica; it finishes those that it has."""
        if not self._ready:
            return
        replica = min(self._ready, key=lambda one: one.ongoing)
        self._ready.remove(replica)
        self._end_if_idle(replica)

    def _end_if_idle(self, replica: Replica) -> None:
        if replica.ongoing == 0 and replica not in self._ready:
            self._ended_s += self._env.now - self._begun.pop(replica)

    def _free(self, replica: Replica) -> None:
        replica.ongoing -= 1
        self._in_flight -= 1
        self._end_if_idle(replica)
        self._dispatch()

    def _dispatch(self) -> None:
        """Send waiting calls to replicas with free slots, within the concurrency limit."""
        while self._waiting and self._ready:
            replica = min(self._ready, key=lambda one: one.ongoing)
            if (
                replica.ongoing >= self._settings.engine_speed.slots
                or self._is_concurrency_reached()
            ):
                return
            replica.ongoing += 1
            self._in_flight += 1
            self._waiting.popleft().succeed(replica)

    def _is_concurrency_reached(self) -> bool:
        limit = self._settings.concurrency
        return bool(limit) and self._in_flight >= limit


class _MovingAverage:
    """The mean number of requests over the look-back period.

    At most `max_visible` requests are visible at a time (0: all).
    """

    def __init__(self, env: simpy.Environment, look_back_s: float, max_visible: int) -> None:
        self._env = env
        self._look_back_s = look_back_s
        self._max_visible = max_visible
        self._now = 0
        self._since = env.now
        # Request seconds so far, and their value at each sample.
        self._total = 0.0
        self._samples = deque([(env.now, 0.0)])

    def add(self, number: int) -> None:
        self._advance()
        self._now += number

    def sample(self) -> float:
        """Return the mean up to now; before the start there were no requests."""
        self._advance()
        self._samples.append((self._env.now, self._total))
        while len(self._samples) > 1 and self._samples[1][0] <= self._env.now - self._look_back_s:
            self._samples.popleft()
        return (self._total - self._samples[0][1]) / self._look_back_s

    def _advance(self) -> None:
        seen = min(self._now, self._max_visible) if self._max_visible else self._now
        self._total += seen * (self._env.now - self._since)
        self._since = self._env.now


def _outcome(scheduled: ScheduledCall, first: float, now: float) -> CallOutcome:
    total = now - scheduled.arrival.at_s
    rest = scheduled.arrival.output_tokens - 1
    return CallOutcome(
        scheduled,
        send_delay_s=0.0,
        first_token_s=first - scheduled.arrival.at_s,
        total_s=total,
        token_interval_s=(now - first) / rest if rest else None,
    )
