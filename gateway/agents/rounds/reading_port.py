"""What stores the numbers of a round as readings; the API implements it."""

from typing import Any, Protocol, runtime_checkable

from gateway.call.values import Principal
from gateway.tables.agents_rounds import AgentRound


@runtime_checkable
class ReadingStore(Protocol):
    """Stores the numbers of rounds as readings of their points."""

    async def store(self, principal: Principal, row: AgentRound) -> dict[str, Any]:
        """Store the numbers of a round once, billed to a key; return what became of them."""
        ...
