"""Answers of a node: from its own tables, or resolved over other nodes."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.plant.identifiers.codes import Identifier
from gateway.plant.identifiers.delegations import verify_revocation
from gateway.plant.identifiers.errors import IdentifierNotFound
from gateway.plant.identifiers.node.access import AccessDenied, is_owner, prove_access
from gateway.plant.identifiers.node.answers import (
    NodeResponse,
    denial_response,
    local_response,
    resolution_response,
)
from gateway.plant.identifiers.node.authorities import revocations
from gateway.plant.identifiers.node.local import LocalAnswer, LocalNode
from gateway.plant.identifiers.node.records import Registrar
from gateway.plant.identifiers.records import Access
from gateway.plant.identifiers.registration import LineResult, parse_lines
from gateway.plant.identifiers.resolution import Resolver, Step
from infra.clock import Clock
from infra.database.database import Database
from infra.single_flight import SingleFlight


@dataclass(frozen=True, slots=True)
class Query:
    """A resolution request: `recursive` follows other nodes, else referrals are returned."""

    identifier: Identifier
    recursive: bool = True
    authorization: str | None = None


class NodeService:
    """Resolves and registers identifiers on one node."""

    def __init__(
        self, local: LocalNode, resolver: Resolver, database: Database, clock: Clock
    ) -> None:
        self.local = local
        self.resolver = resolver
        self._database = database
        self._clock = clock
        self._revoked: set[str] = set()
        self._flights: SingleFlight[tuple[str, bool], NodeResponse] = SingleFlight()

    async def resolve(self, query: Query) -> NodeResponse:
        """Return the response to a query; equal queries at the same time are answered once.

        Raises AppError.
        """
        if query.authorization is not None:
            return await self._resolve(query)
        key = (query.identifier.text, query.recursive)
        return await self._flights.run(key, lambda: self._resolve(query))

    async def _resolve(self, query: Query) -> NodeResponse:
        """Answer from the own tables, or follow the delegations."""
        identifier = query.identifier
        answer = await self.local.answer(identifier)
        if answer is not None and (answer.delegation is None or not query.recursive):
            access = await self._access(query, answer)
            return local_response(identifier, answer, access, self._clock.now())
        if not query.recursive:
            raise IdentifierNotFound(
                f"This node is not responsible for `{identifier.prefix.text}`.", param="id"
            )
        start = () if answer is None else _steps(answer)
        try:
            found = await self.resolver.resolve(identifier, start)
        except IdentifierNotFound:
            return denial_response(identifier, None, (), 0)
        return resolution_response(found, self._clock.now())

    async def _access(self, query: Query, answer: LocalAnswer) -> Access:
        """Return the access of the caller to the record's restricted fields."""
        if query.authorization is None or answer.record is None:
            return Access.PUBLIC
        owner = answer.own.authority
        async with self._database.transaction() as session:
            return await prove_access(session, query.authorization, owner, self._clock.now())

    async def register(self, authorization: str, body: bytes) -> Sequence[LineResult]:
        """Register JSON lines under the prefixes for which the caller proves to be the owner.

        Raises AccessDenied, RecordInvalid.
        """
        lines = list(parse_lines(body))
        authorities = await self.local.authorities()
        async with self._database.transaction() as session:
            owners = [
                own
                for own in authorities
                if await is_owner(session, authorization, own.authority, self._clock.now())
            ]
            if not owners:
                raise AccessDenied("The key or token does not prove owner access to a prefix here.")
            return await Registrar(owners, self._clock).register(session, lines)

    async def refresh_revocations(self) -> bool:
        """Drop what depends on keys that this node has revoked. Returns whether there are new."""
        known = len(self._revoked)
        await self.local.refresh()
        async with self._database.transaction() as session:
            for own in await self.local.authorities():
                for token in await revocations(session, own.authority.prefix):
                    kid = verify_revocation(token, own.authority)
                    self.resolver.revoke(kid)
                    self._revoked.add(kid)
        if len(self._revoked) == known:
            return False
        self.local.forget()
        return True


def _steps(answer: LocalAnswer) -> tuple[Step, ...]:
    """Return the steps from this node's authority to the one that it delegated."""
    if answer.delegation is None:
        return (Step(answer.own.authority),)
    return (Step(answer.own.authority), Step(answer.delegation.authority, answer.delegation))
