"""One look for the work of all queues of a process, in place of one by each background loop.

A loop that looks for itself takes 1 to 2 ms of CPU, and loops of the same interval look at the same
moment, which delays the calls of that moment. Loops without due work are left asleep here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from infra.claim_poller import Owner
from infra.clock import Clock
from infra.database.direct import DirectConnection
from infra.database.due_work import MOMENT, LookStatement
from infra.poller import Poller
from infra.timing import DEFAULT_TIMING, Timing


@dataclass(frozen=True, slots=True)
class _Watched:
    """The statement of a look, and the poller of each of its queues."""

    pollers: tuple[Poller, ...]
    statement: LookStatement


class WorkWatch(Poller):
    """Wakes those of the pollers whose queue has due work."""

    def __init__(
        self,
        connection: DirectConnection,
        clock: Clock,
        owner: Owner,
        pollers: Sequence[Poller],
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        interval = replace(timing, work_poll_s=timing.work_look_s, queue_poll_s={})
        super().__init__("work_watch", self.look, interval)
        self._connection, self._clock, self._owner = connection, clock, owner
        self._candidates = tuple(pollers)
        self._watched: _Watched | None = None

    async def look(self) -> bool:
        """Wake the pollers with due work. Returns False: there is nothing more to look for."""
        if not self._owner.is_alive:
            return False
        # Built at the first look: it takes longer than the rest of a process's construction.
        watched = self._watched = self._watched or _watch(self._candidates)
        statement, now = watched.statement, self._clock.now()
        values = statement.values(now, self._owner.process_id)
        (found,) = await self._connection.statement(statement.text, values)
        for poller, is_due in zip(watched.pollers, found, strict=True):
            if is_due:
                poller.wake()
        return False


def _watch(candidates: Sequence[Poller]) -> _Watched:
    """Return the pollers that state their due rows, one entry for each of their queues."""
    pairs = [(poller, rows) for poller in candidates for rows in poller.due_rows(MOMENT)]
    statement = LookStatement([rows for _, rows in pairs])
    return _Watched(tuple(poller for poller, _ in pairs), statement)
