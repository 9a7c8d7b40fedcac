"""A fleet of replicas behind one gateway: calls wait in order, go to the replica with the fewest,
and the autoscaler looks on.

A call waits in the gateway while as many are on their way as its model may have at once (the
catalog's `concurrency`), and then, where the autoscaler sees it, for a replica with a free slot.
"""

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import simpy

from load.replay.player import Played
from load.replay.schedule import Due
from load.simulation.autoscaler import Rule, Wish, decide
from load.simulation.engine_speed import Pace
from load.simulation.replica import Replica

_LOOK_S = 1.0
Process = Generator[simpy.Event, Any, None]


@dataclass(frozen=True, slots=True)
class Setup:
    """A fleet's settings. concurrency: calls on their way at once, 0 for any number. start_s: from
    wanting a replica to its first call (a machine, its image, the weights). begins: replicas that
    are there from the beginning; None for the rule's least."""

    pace: Pace
    rule: Rule
    concurrency: int = 0
    start_s: float = 120.0
    begins: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it: calls, seconds that replicas were paid for, and how many at most."""

    played: tuple[Played, ...]
    seconds: float
    replica_s: float
    most: int

    @property
    def mean_replicas(self) -> float:
        return self.replica_s / self.seconds


def simulate(setup: Setup, due: Sequence[Due]) -> Run:
    """The calls, until the last one is answered."""
    env = simpy.Environment()
    fleet = _Fleet(env, setup)
    env.process(fleet.scaling())
    env.run(until=env.process(fleet.calls(due)))
    return Run(tuple(fleet.played), env.now, fleet.paid_s(), fleet.most)


class _Fleet:
    def __init__(self, env: simpy.Environment, setup: Setup) -> None:
        self._env = env
        self._setup = setup
        self._begun: dict[Replica, float] = {}
        self._ended_s = 0.0
        self._ready: list[Replica] = []
        self._starting = 0
        self._starting_s: deque[float] = deque()
        self._waiting: deque[simpy.Event] = deque()
        self._on_their_way = 0
        self._ongoing = _Mean(env, setup.rule.look_back_s, setup.concurrency)
        self._answered = env.event()
        self.most = 0
        self.played: list[Played] = []
        begins = setup.rule.least if setup.begins is None else setup.begins
        for _ in range(begins):
            self._add(Replica(env, setup.pace), env.now)

    def calls(self, due: Sequence[Due]) -> Process:
        """Each when it is due; ends when all are answered."""
        ordered = sorted(due, key=lambda one: one.arrival.at_s)
        for one in ordered:
            # Not before: a line of all calls of an hour would make each event dearer.
            yield self._env.timeout(max(0.0, one.arrival.at_s - self._env.now))
            self._env.process(self._call(one))
        while len(self.played) < len(ordered):
            yield self._answered
            self._answered = self._env.event()

    def _call(self, due: Due) -> Process:
        env = self._env
        self._ongoing.add(1)
        turn = env.event()
        self._waiting.append(turn)
        self._dispatch()
        replica: Replica = yield turn
        first = yield env.process(replica.answer(due.arrival))
        self._ongoing.add(-1)
        self._free(replica)
        self.played.append(_played(due, first, env.now))
        if not self._answered.triggered:
            self._answered.succeed()

    def scaling(self) -> Process:
        """Look, and start or stop replicas, for as long as anybody looks."""
        rule, wish = self._setup.rule, Wish()
        while True:
            yield self._env.timeout(_LOOK_S)
            there = len(self._ready) + self._starting
            wanted, wish = decide(rule, self._ongoing.look(), there, wish, self._env.now)
            for _ in range(wanted - there):
                self._env.process(self._start())
            for _ in range(there - wanted):
                self._stop()

    def paid_s(self) -> float:
        """Replica seconds until now: from when a replica was wanted until it has ended."""
        begun = [*self._begun.values(), *self._starting_s]
        return self._ended_s + sum(self._env.now - since for since in begun)

    def _start(self) -> Process:
        since = self._env.now
        self._starting += 1
        self._starting_s.append(since)
        self._count()
        yield self._env.timeout(self._setup.start_s)
        self._starting -= 1
        self._starting_s.remove(since)
        self._add(Replica(self._env, self._setup.pace), since)
        self._dispatch()

    def _add(self, replica: Replica, since: float) -> None:
        self._begun[replica] = since
        self._ready.append(replica)
        self._count()

    def _count(self) -> None:
        self.most = max(self.most, len(self._begun) + self._starting)

    def _stop(self) -> None:
        """The least busy one gets no more calls; what it has it answers."""
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
        self._on_their_way -= 1
        self._end_if_idle(replica)
        self._dispatch()

    def _dispatch(self) -> None:
        """To replicas with room, as long as somebody waits and so many may be on their way."""
        while self._waiting and self._ready:
            replica = min(self._ready, key=lambda one: one.ongoing)
            if replica.ongoing >= self._setup.pace.slots or self._are_enough():
                return
            replica.ongoing += 1
            self._on_their_way += 1
            self._waiting.popleft().succeed(replica)

    def _are_enough(self) -> bool:
        most = self._setup.concurrency
        return bool(most) and self._on_their_way >= most


class _Mean:
    """How many requests there are, and how many there were on average over the look-back, of which
    no more than `most` are seen at a time (0: all)."""

    def __init__(self, env: simpy.Environment, look_back_s: float, most: int) -> None:
        self._env = env
        self._look_back_s = look_back_s
        self._most = most
        self._now = 0
        self._since = env.now
        # Requests times seconds until now, and what that was at each look.
        self._total = 0.0
        self._looks = deque([(env.now, 0.0)])

    def add(self, number: int) -> None:
        self._advance()
        self._now += number

    def look(self) -> float:
        """The mean until now; before the beginning there was nothing."""
        self._advance()
        self._looks.append((self._env.now, self._total))
        while len(self._looks) > 1 and self._looks[1][0] <= self._env.now - self._look_back_s:
            self._looks.popleft()
        return (self._total - self._looks[0][1]) / self._look_back_s

    def _advance(self) -> None:
        seen = min(self._now, self._most) if self._most else self._now
        self._total += seen * (self._env.now - self._since)
        self._since = self._env.now


def _played(due: Due, first: float, now: float) -> Played:
    total = now - due.arrival.at_s
    rest = due.arrival.output_tokens - 1
    return Played(
        due,
        late_s=0.0,
        first_s=first - due.arrival.at_s,
        total_s=total,
        each_s=(now - first) / rest if rest else None,
    )
