"""Routing: which server an admitted call goes to.

Owns the choice of the upstream. One upstream answers for all models today; several for a model,
their health and their load belong here.
"""

from uuid import UUID

from gateway.flow import Target, Ticket


class Router:
    """Sends every call to one OpenAI-compatible server."""

    def __init__(self, serving_url: str) -> None:
        self._base = serving_url

    def route(self, ticket: Ticket, request_id: UUID) -> Target:
        return Target(self._base + ticket.ask.path, ticket.ask, request_id)
