"""What a node has lately experienced: the nodes that it asked, and its last errors.

The status of a node is public, so nothing here names an identifier or a caller.
"""

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.clock import Clock

_MAX_PEERS = 200
_MAX_ERRORS = 20


@dataclass(slots=True)
class Peer:
    """Another node: how often it answered and failed, and when it last did."""

    answered: int = 0
    failed: int = 0
    answered_at: datetime | None = None
    failed_at: datetime | None = None

    @property
    def is_reachable(self) -> bool:
        """Whether the last request was answered."""
        if self.answered_at is None:
            return False
        return self.failed_at is None or self.answered_at >= self.failed_at


class NodeActivity:
    """Peers and errors, in bounded memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._peers: OrderedDict[str, Peer] = OrderedDict()
        self._errors: deque[tuple[datetime, str]] = deque(maxlen=_MAX_ERRORS)

    def answered(self, node: str) -> None:
        """Record that a node answered."""
        peer = self._peer(node)
        peer.answered += 1
        peer.answered_at = self._clock.now()

    def failed(self, node: str) -> None:
        """Record that a node did not answer."""
        peer = self._peer(node)
        peer.failed += 1
        peer.failed_at = self._clock.now()

    def error(self, code: str) -> None:
        """Record a failed resolution by the code of its error."""
        self._errors.appendleft((self._clock.now(), code))

    def peers(self) -> Sequence[Mapping[str, Any]]:
        """Return the nodes that were asked, the latest first."""
        return [
            {
                "node": node,
                "reachable": peer.is_reachable,
                "answered": peer.answered,
                "failed": peer.failed,
                "answered_at": _seconds(peer.answered_at),
                "failed_at": _seconds(peer.failed_at),
            }
            for node, peer in reversed(self._peers.items())
        ]

    def errors(self) -> Sequence[Mapping[str, Any]]:
        """Return the last errors, the newest first."""
        return [{"at": _seconds(at), "code": code} for at, code in self._errors]

    def _peer(self, node: str) -> Peer:
        """Return the record of a node."""
        peer = self._peers.setdefault(node, Peer())
        self._peers.move_to_end(node)
        while len(self._peers) > _MAX_PEERS:
            self._peers.popitem(last=False)
        return peer


def _seconds(moment: datetime | None) -> int | None:
    """Return a time as Unix seconds."""
    return None if moment is None else int(moment.timestamp())
