"""Resolve an identifier over nodes, from a configured root key down to its record.

Every step is verified with the key that the step before delegated, and only verified statements are
cached. Each delegation must be for a longer prefix than the one before, so nodes that refer to each
other are found at once, and a resolution has at most `MAX_HOPS` steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.plant.identifiers.cache import ExpiringCache
from gateway.plant.identifiers.codes import Identifier
from gateway.plant.identifiers.delegations import (
    Authority,
    Delegation,
    read_delegation,
    require_current,
    verify_revocation,
)
from gateway.plant.identifiers.denials import Denial, verify_denial
from gateway.plant.identifiers.errors import (
    IdentifierInvalid,
    IdentifierNotFound,
    NodeUnreachable,
    ResolutionLoop,
    StatementUntrusted,
)
from gateway.plant.identifiers.prefixes import parse_prefix
from gateway.plant.identifiers.records import VerifiedRecord, verify_record
from gateway.plant.identifiers.statements import unverified_payload
from infra.clock import Clock

MAX_HOPS = 8
_MAX_SIGNATURES = 10_000
_SIGNATURE_S = 86_400


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """What a node answers, unverified: one of record, delegation and denial, and revocations."""

    record: str | None = None
    delegation: str | None = None
    denial: str | None = None
    revocations: tuple[str, ...] = ()


class NodeClient(Protocol):
    """Asks other nodes."""

    async def ask(self, node: str, identifier: Identifier) -> NodeAnswer:
        """Return what the node at an address answers iteratively. Raises NodeUnreachable."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """An authority on the way to a record, and the delegation that names it (None: a root)."""

    authority: Authority
    delegation: Delegation | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """A verified result: a record or a denial, with the delegations from the root to its signer."""

    identifier: Identifier
    chain: tuple[Delegation, ...]
    record: VerifiedRecord | None = None
    denial: Denial | None = None
    ttl_s: int = 0


class Resolver:
    """Resolves identifiers and caches verified results, denials and delegations.

    `max_ttl_s` limits how long any result is cached, whatever its owner states.
    """

    def __init__(
        self,
        roots: Sequence[Authority],
        client: NodeClient,
        clock: Clock,
        *,
        max_entries: int = 100_000,
        max_ttl_s: int = 3_600,
    ) -> None:
        self._roots = roots
        self._client = client
        self._clock = clock
        self._max_ttl_s = max_ttl_s
        self.results: ExpiringCache[str, Resolution] = ExpiringCache(max_entries, clock.monotonic)
        self._delegations: ExpiringCache[str, tuple[Step, ...]] = ExpiringCache(
            max_entries, clock.monotonic
        )
        self._signatures: ExpiringCache[tuple[str, str, str], Delegation] = ExpiringCache(
            _MAX_SIGNATURES, clock.monotonic
        )
        self._versions: ExpiringCache[str, int] = ExpiringCache(max_entries, clock.monotonic)
        self._revoked: ExpiringCache[str, bool] = ExpiringCache(max_entries, clock.monotonic)

    async def resolve(self, identifier: Identifier, start: Sequence[Step] = ()) -> Resolution:
        """Return the verified record or denial of an identifier, from the cache if it is there.

        `start` are steps that the caller vouches for, such as its own delegation. Raises
        NodeUnreachable, StatementUntrusted, ResolutionLoop, and IdentifierNotFound if no root is
        configured for the identifier.
        """
        cached = self.results.get(identifier.text)
        if cached is not None:
            return cached
        known = tuple(start) or self._known_steps(identifier)
        try:
            found = await self._walk(identifier, known)
        except (NodeUnreachable, StatementUntrusted):
            if len(known) < 2 or start:
                raise
            # The cached delegation may be outdated: the owner has another key or address by now.
            self._forget_steps(known[-1])
            found = await self._walk(identifier, known[:1])
        self.results.put(identifier.text, found, found.ttl_s)
        return found

    def _known_steps(self, identifier: Identifier) -> tuple[Step, ...]:
        """Return the longest cached way towards an identifier, at least its root."""
        for prefix in identifier.prefix.ancestors():
            steps = self._delegations.get(prefix.text)
            if steps is not None and all(self._is_current(step) for step in steps):
                return steps
        root = next((one for one in self._roots if identifier.is_under(one.prefix)), None)
        if root is None:
            raise IdentifierNotFound(
                f"No root key is configured for `{identifier.prefix.text}`.", param="id"
            )
        return (Step(root),)

    async def _walk(self, identifier: Identifier, steps: tuple[Step, ...]) -> Resolution:
        """Follow delegations to the record or denial."""
        for _ in range(MAX_HOPS):
            authority = steps[-1].authority
            answer = await self._client.ask(authority.node, identifier)
            self._learn_revocations(answer, authority)
            if answer.record is not None:
                return self._accept_record(identifier, answer.record, steps)
            if answer.denial is not None:
                return self._accept_denial(identifier, answer.denial, steps)
            if answer.delegation is None:
                raise StatementUntrusted(f"The node {authority.node} gave no signed answer.")
            steps = (*steps, self._accept_delegation(identifier, answer.delegation, authority))
            self._cache_steps(steps)
        raise ResolutionLoop(f"The identifier needs more than {MAX_HOPS} nodes.")

    def _accept_record(
        self, identifier: Identifier, token: str, steps: tuple[Step, ...]
    ) -> Resolution:
        """Verify a record: signer, identifier, and that it is not older than one seen before."""
        record = verify_record(token, steps[-1].authority)
        if record.identifier != identifier:
            raise StatementUntrusted("A node answered with the record of another identifier.")
        if record.version < (self._versions.get(identifier.text) or 0):
            raise StatementUntrusted("A node answered with an older version of the record.")
        self._versions.put(identifier.text, record.version, 86_400)
        ttl_s = self._bounded_ttl(record.ttl_s, steps)
        return Resolution(identifier, _chain(steps), record=record, ttl_s=ttl_s)

    def _accept_denial(
        self, identifier: Identifier, token: str, steps: tuple[Step, ...]
    ) -> Resolution:
        """Verify a denial."""
        denial = verify_denial(token, identifier, steps[-1].authority, self._clock.now())
        ttl_s = self._bounded_ttl(denial.ttl_s, steps)
        return Resolution(identifier, _chain(steps), denial=denial, ttl_s=ttl_s)

    def _accept_delegation(self, identifier: Identifier, token: str, parent: Authority) -> Step:
        """Verify a delegation that leads closer to the identifier. Raises ResolutionLoop."""
        _require_progress(token, parent)
        delegation = self._read_delegation(token, parent)
        require_current(delegation, self._clock.now())
        if not identifier.is_under(delegation.authority.prefix):
            raise StatementUntrusted("A node referred to a prefix that is not the identifier's.")
        if self._revoked.get(delegation.authority.key.kid):
            raise StatementUntrusted("A node referred to a key that has been revoked.")
        return Step(delegation.authority, delegation)

    def _read_delegation(self, token: str, parent: Authority) -> Delegation:
        """Return the delegation of a token; the signature of one seen before is not checked again.

        Whether it is valid now, fits the identifier and is not revoked is for the caller to check.
        """
        key = (token, parent.prefix.text, parent.key.kid)
        known = self._signatures.get(key)
        if known is None:
            known = read_delegation(token, parent)
            self._signatures.put(key, known, _SIGNATURE_S)
        return known

    def _learn_revocations(self, answer: NodeAnswer, authority: Authority) -> None:
        """Remember revoked keys and drop what was cached under them."""
        for token in answer.revocations[:100]:
            self.revoke(verify_revocation(token, authority))

    def revoke(self, kid: str) -> None:
        """Treat a key as revoked: drop results and delegations that depend on it."""
        if self._revoked.get(kid):
            return
        self._revoked.put(kid, value=True, ttl_s=7 * 86_400)
        self.results.remove_if(
            lambda _, found: any(one.authority.key.kid == kid for one in found.chain)
        )
        self._delegations.remove_if(
            lambda _, steps: any(step.authority.key.kid == kid for step in steps)
        )

    def _cache_steps(self, steps: tuple[Step, ...]) -> None:
        """Cache the way to an authority as long as its delegation allows."""
        delegation = steps[-1].delegation
        if delegation is not None:
            ttl_s = self._bounded_ttl(delegation.ttl_s, steps)
            self._delegations.put(delegation.authority.prefix.text, steps, ttl_s)

    def _forget_steps(self, step: Step) -> None:
        """Drop the cached ways through an authority."""
        kid = step.authority.key.kid
        self._delegations.remove_if(
            lambda _, steps: any(one.authority.key.kid == kid for one in steps)
        )

    def _bounded_ttl(self, ttl_s: int, steps: Sequence[Step]) -> int:
        """Return the time to live within the limit, every delegation's own and its expiry."""
        now = self._clock.now()
        given = [step.delegation for step in steps if step.delegation is not None]
        lives = [min(one.ttl_s, _seconds(one.expires_at, now)) for one in given]
        return max(0, min(ttl_s, self._max_ttl_s, *lives))

    def _is_current(self, step: Step) -> bool:
        """Return whether a step has neither expired nor been revoked."""
        if step.delegation is None:
            return True
        if self._revoked.get(step.authority.key.kid):
            return False
        return self._clock.now() < step.delegation.expires_at


def _chain(steps: Sequence[Step]) -> tuple[Delegation, ...]:
    """Return the delegations of the steps."""
    return tuple(step.delegation for step in steps if step.delegation is not None)


def _seconds(until: datetime, now: datetime) -> int:
    """Return the seconds until a time, at least 0."""
    return max(0, int((until - now).total_seconds()))


def _require_progress(token: str, parent: Authority) -> None:
    """Raise ResolutionLoop if a delegation leads back to the parent's prefix or above it."""
    try:
        prefix = parse_prefix(str(unverified_payload(token).get("prefix")))
    except IdentifierInvalid:
        raise StatementUntrusted("A delegation is malformed.") from None
    if prefix.contains(parent.prefix):
        raise ResolutionLoop(
            f"The node of `{parent.prefix.text}` refers back to `{prefix.text}`.", param="id"
        )
