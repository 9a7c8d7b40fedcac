"""What a resolver trusts, although it has seen and verified it before."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from gateway.plant.identifiers.codes import Identifier, parse_identifier
from gateway.plant.identifiers.delegations import (
    Authority,
    DelegationTerms,
    issue_delegation,
    issue_revocation,
)
from gateway.plant.identifiers.errors import StatementUntrusted
from gateway.plant.identifiers.keys import generate_key
from gateway.plant.identifiers.prefixes import Prefix
from gateway.plant.identifiers.records import NewRecord, sign_record
from gateway.plant.identifiers.resolution import NodeAnswer, Resolver
from infra.clock import SystemClock

PUMP, OTHER = (parse_identifier(f"88.100/{name}") for name in ("PUMP-1", "PUMP-2"))
NOW = datetime(2026, 11, 30, tzinfo=UTC)


class Time(SystemClock):
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.passed = timedelta(0)

    def now(self) -> datetime:
        return NOW + self.passed

    def monotonic(self) -> float:
        return self.passed.total_seconds()


@dataclass
class Nodes:
    """Answers by address of a node."""

    answers: dict[str, NodeAnswer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def ask(self, node: str, identifier: Identifier) -> NodeAnswer:
        self.asked.append(node)
        return self.answers[node]


@dataclass
class World:
    """A root and an owner with a record, whose delegation may not be cached."""

    clock: Time
    nodes: Nodes
    root: Authority
    owner: Authority
    resolver: Resolver

    def delegation(self, **terms: object) -> str:
        given = DelegationTerms(**{"ttl_s": 0, **terms})  # type: ignore[arg-type]
        return issue_delegation(self.root, self.owner, self.clock.now(), given).token

    def record(self, identifier: Identifier, owner: Authority) -> str:
        return sign_record(NewRecord(identifier, 1, ttl_s=0), owner, self.clock.now()).token


@pytest.fixture
def world() -> World:
    clock, nodes = Time(), Nodes()
    root = Authority(Prefix("88"), generate_key(), "http://root")
    owner = Authority(Prefix("88.100"), generate_key(), "http://owner")
    resolver = Resolver([root], nodes, clock)
    made = World(clock, nodes, root, owner, resolver)
    nodes.answers["http://root"] = NodeAnswer(delegation=made.delegation())
    nodes.answers["http://owner"] = NodeAnswer(record=made.record(PUMP, owner))
    return made


async def test_nothing_is_answered_from_memory_against_its_time_to_live(world: World) -> None:
    for _ in range(2):
        assert (await world.resolver.resolve(PUMP)).record is not None
    assert world.nodes.asked == ["http://root", "http://owner"] * 2


async def test_delegation_seen_before_is_refused_after_its_expiry(world: World) -> None:
    token = world.delegation(valid_for=timedelta(hours=1))
    world.nodes.answers["http://root"] = NodeAnswer(delegation=token)
    assert (await world.resolver.resolve(PUMP)).record is not None
    world.clock.passed += timedelta(hours=2)
    with pytest.raises(StatementUntrusted, match="not valid now"):
        await world.resolver.resolve(PUMP)


async def test_delegation_seen_before_is_refused_after_its_revocation(world: World) -> None:
    token = world.delegation()
    assert (await world.resolver.resolve(PUMP)).record is not None
    kid = world.owner.key.kid
    revocation = issue_revocation(world.root, kid, world.owner.prefix, world.clock.now())
    world.nodes.answers["http://root"] = NodeAnswer(delegation=token, revocations=(revocation,))
    with pytest.raises(StatementUntrusted, match="revoked"):
        await world.resolver.resolve(PUMP)
    world.nodes.answers["http://root"] = NodeAnswer(delegation=token)
    with pytest.raises(StatementUntrusted, match="revoked"):
        await world.resolver.resolve(PUMP)


async def test_forged_revocation_is_refused_and_revokes_nothing(world: World) -> None:
    liar = Authority(Prefix("88"), generate_key())
    forged = issue_revocation(liar, world.owner.key.kid, world.owner.prefix, NOW)
    honest = world.nodes.answers["http://root"]
    world.nodes.answers["http://root"] = NodeAnswer(
        delegation=honest.delegation, revocations=(forged,)
    )
    with pytest.raises(StatementUntrusted):
        await world.resolver.resolve(PUMP)
    world.nodes.answers["http://root"] = honest
    assert (await world.resolver.resolve(PUMP)).record is not None


async def test_delegation_of_one_parent_is_not_accepted_from_another(world: World) -> None:
    """The token was verified with the root's key; the same token below another key is checked."""
    assert (await world.resolver.resolve(PUMP)).record is not None
    other = Authority(Prefix("88"), generate_key(), "http://root")
    resolver = Resolver([other], world.nodes, world.clock)
    resolver._signatures = world.resolver._signatures
    with pytest.raises(StatementUntrusted):
        await resolver.resolve(PUMP)


async def test_lie_about_one_identifier_is_not_served_for_another(world: World) -> None:
    liar = Authority(Prefix("88.100"), generate_key())
    for lie in (world.record(OTHER, world.owner), world.record(PUMP, liar)):
        world.nodes.answers["http://owner"] = NodeAnswer(record=lie)
        with pytest.raises(StatementUntrusted):
            await world.resolver.resolve(PUMP)
    assert len(world.resolver.results) == 0
