"""Three nodes on real sockets: resolution, caching, failures, lies, revocation and access."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.plant.identifiers.codes import Identifier, parse_identifier
from gateway.plant.identifiers.delegations import Authority
from gateway.plant.identifiers.denials import issue_access_token
from gateway.plant.identifiers.errors import PrefixTaken
from gateway.plant.identifiers.keys import generate_key
from gateway.plant.identifiers.node.access import create_access_key, revoke_access_keys
from gateway.plant.identifiers.node.authorities import delegate, revoke_delegation
from gateway.plant.identifiers.node.counts import daily_counts
from gateway.plant.identifiers.prefixes import Prefix
from gateway.plant.identifiers.records import (
    Access,
    NewRecord,
    open_disclosure,
    sign_record,
    verify_record,
)
from gateway.plant.identifiers.resolution import NodeAnswer, NodeClient
from gateway.plant.identifiers.statements import StatementType, sign
from gateway.tables import NodeRecord
from infra.clock import SystemClock
from tests.support.builders import Emptying
from tests.support.plant.nodes import RunningNode, create_root, run_node

PUMP = "88.100.5001/PUMP-1"
RECORD = (
    '{"id": "88.100.5001/PUMP-1", "ttl": 60, "fields": {"name": "泵 1", '
    '"drawing": {"value": "D-77", "access": "partner"}, '
    '"cost": {"value": "1200", "access": "owner"}}}'
)


class MovableClock(SystemClock):
    """The machine's clock, moved forward by a test."""

    def __init__(self) -> None:
        self.shift_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.shift_s)

    def monotonic(self) -> float:
        return super().monotonic() + self.shift_s


@dataclass
class Chain:
    """National, industry and enterprise node, and a resolver without prefixes of its own."""

    national: RunningNode
    industry: RunningNode
    enterprise: RunningNode
    resolver: RunningNode
    clock: MovableClock


@pytest.fixture
async def chain(postgres: str, emptying: Emptying, tmp_path: Path) -> AsyncIterator[Chain]:
    clock = MovableClock()
    async with AsyncExitStack() as stack:

        async def start(name: str, roots: list[Authority]) -> RunningNode:
            return await stack.enter_async_context(run_node(postgres, name, tmp_path, roots, clock))

        national = await start("national", [])
        root = await create_root(national, "88")
        industry = await start("industry", [root])
        enterprise = await start("enterprise", [root])
        resolver = await start("resolver", [root])
        await national.delegate_to(industry, "88.100", [root])
        await industry.delegate_to(enterprise, "88.100.5001", [root])
        assert [one.status for one in await enterprise.register(RECORD)] == ["created"]
        yield Chain(national, industry, enterprise, resolver, clock)


class TestResolution:
    async def test_record_is_resolved_recursively_and_iteratively(self, chain: Chain) -> None:
        answer = await chain.resolver.resolve(PUMP)
        assert answer.status_code == 200
        found = answer.json()
        assert found["fields"] == {"name": "泵 1"}
        assert found["disclosures"] == []
        assert len(found["chain"]) == 2
        referral = (await chain.national.resolve(PUMP, mode="iterative")).json()
        assert (referral["prefix"], referral["node"]) == ("88.100", chain.industry.url)
        referral = (await chain.industry.resolve(PUMP, mode="iterative")).json()
        assert (referral["prefix"], referral["node"]) == ("88.100.5001", chain.enterprise.url)
        own = await chain.enterprise.resolve(PUMP, mode="iterative")
        assert own.json()["record"] == found["record"]
        short = await chain.resolver.http.get(f"/id/{PUMP}")
        assert short.json()["record"] == found["record"]

    async def test_parents_resolve_below_their_own_prefix(self, chain: Chain) -> None:
        for node in (chain.national, chain.industry, chain.enterprise):
            answer = await node.resolve(PUMP)
            assert answer.json()["fields"] == {"name": "泵 1"}

    async def test_missing_record_is_denied_by_its_owner_and_the_denial_cached(
        self, chain: Chain
    ) -> None:
        for _ in range(2):
            answer = await chain.resolver.resolve("88.100.5001/NONE")
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "identifier_not_found"
            assert answer.json()["error"]["denial"].count(".") == 2
        assert (await chain.resolver.resolve("88.999.1/X")).status_code == 404
        assert (await chain.resolver.resolve("20.500.1/X")).status_code == 404
        await chain.enterprise.stop()
        assert (await chain.resolver.resolve("88.100.5001/NONE")).status_code == 404

    async def test_stopped_node_is_answered_for_from_the_cache_until_the_ttl(
        self, chain: Chain
    ) -> None:
        assert (await chain.resolver.resolve(PUMP)).status_code == 200
        await chain.enterprise.stop()
        chain.clock.shift_s += 50
        assert (await chain.resolver.resolve(PUMP)).status_code == 200
        chain.clock.shift_s += 20
        answer = await chain.resolver.resolve(PUMP)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "identifier_node_unreachable"
        assert chain.enterprise.url in answer.json()["error"]["message"]
        assert answer.headers["retry-after"] == "2"

    async def test_new_version_is_served_after_the_ttl_and_an_older_one_never(
        self, chain: Chain
    ) -> None:
        await chain.enterprise.register('{"id": "88.100.5001/PUMP-1", "version": 5, "ttl": 60}')
        assert (await chain.resolver.resolve(PUMP)).json()["version"] == 5
        async with chain.enterprise.database.transaction() as session:
            row = await session.get(NodeRecord, (PUMP, 5))
            await session.delete(row)
        chain.clock.shift_s += 70
        answer = await chain.resolver.resolve(PUMP)
        assert answer.status_code == 502
        assert "older version" in answer.json()["error"]["message"]

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ("id=nonsense", 400),
            ("id=88.100.5001/x&mode=both", 400),
            ("id=%FF", 400),
            ("", 400),
            ("id=" + "x" * 5000, 400),
            ("a=1&b=2&c=3&d=4&e=5&id=x", 400),
        ],
    )
    async def test_malformed_query_is_rejected(self, chain: Chain, query: str, status: int) -> None:
        answer = await chain.resolver.http.get(f"/v1/resolve?{query}")
        assert answer.status_code == status
        assert answer.json()["error"]["code"] == "identifier_invalid"


class TestTrust:
    async def test_record_signed_by_a_key_outside_the_chain_is_rejected_and_not_cached(
        self, chain: Chain
    ) -> None:
        liar = Authority(Prefix("88.100.5001"), generate_key())
        lie = sign_record(NewRecord(parse_identifier(PUMP), 9), liar, chain.clock.now())
        resolver = chain.resolver.node.service.resolver
        honest = resolver._client
        resolver._client = Lying(honest, chain.enterprise.url, NodeAnswer(record=lie.token))
        answer = await chain.resolver.resolve(PUMP)
        assert answer.status_code == 502
        assert answer.json()["error"]["code"] == "identifier_untrusted"
        assert len(resolver.results) == 0
        resolver._client = honest
        assert (await chain.resolver.resolve(PUMP)).json()["version"] == 1

    async def test_answer_for_another_identifier_or_without_signature_is_rejected(
        self, chain: Chain
    ) -> None:
        await chain.enterprise.register('{"id": "88.100.5001/OTHER"}')
        other = (await chain.enterprise.resolve("88.100.5001/OTHER")).json()["record"]
        resolver = chain.resolver.node.service.resolver
        for lie in (NodeAnswer(record=other), NodeAnswer(), NodeAnswer(denial="x.y.z")):
            resolver._client = Lying(chain.resolver.node.client, chain.enterprise.url, lie)
            answer = await chain.resolver.resolve(PUMP)
            assert answer.json()["error"]["code"] == "identifier_untrusted"

    async def test_key_revoked_by_the_parent_is_refused_and_its_successor_accepted(
        self, chain: Chain
    ) -> None:
        assert (await chain.resolver.resolve(PUMP)).status_code == 200
        assert chain.industry.own is not None
        async with chain.industry.database.transaction() as session:
            own = chain.industry.own
            await revoke_delegation(session, chain.clock, own, Prefix("88.100.5001"))
        await chain.industry.node.tick()
        answer = await chain.industry.resolve(PUMP)
        assert answer.status_code == 404
        assert len(answer.json()["error"]["revocations"]) == 1
        chain.clock.shift_s += 301
        assert (await chain.resolver.resolve(PUMP)).status_code == 404

    async def test_two_owners_of_one_prefix_are_refused(self, chain: Chain) -> None:
        own = chain.industry.own
        assert own is not None
        for prefix in ("88.100.5001", "88.100.5001.7"):
            other = Authority(Prefix(prefix), generate_key(), "http://127.0.0.1:9")
            async with chain.industry.database.transaction() as session:
                with pytest.raises(PrefixTaken):
                    await delegate(session, chain.clock, own, other)

    async def test_nodes_that_refer_to_each_other_are_a_loop(self, chain: Chain) -> None:
        """The industry node signs a delegation of the prefix above its own."""
        assert chain.industry.own is not None
        now = chain.clock.now()
        payload = {
            "prefix": "88",
            "key": generate_key().public(),
            "node": chain.national.url,
            "iat": int(now.timestamp()),
            "exp": int(now.timestamp()) + 3_600,
            "ttl": 60,
        }
        loop = sign(StatementType.DELEGATION, payload, chain.industry.own.authority.key)
        resolver = chain.resolver.node.service.resolver
        answer = NodeAnswer(delegation=loop)
        resolver._client = Lying(chain.resolver.node.client, chain.industry.url, answer)
        refused = await chain.resolver.resolve("88.100.7000/X")
        assert refused.status_code == 502
        assert refused.json()["error"]["code"] == "identifier_resolution_loop"


@dataclass
class Lying:
    """A client to which one node gives a fixed answer."""

    client: NodeClient
    node: str
    lie: NodeAnswer

    async def ask(self, node: str, identifier: Identifier) -> NodeAnswer:
        if node == self.node:
            return self.lie
        return await self.client.ask(node, identifier)


class TestAccess:
    async def test_partner_and_owner_receive_restricted_fields_that_verify(
        self, chain: Chain
    ) -> None:
        own = chain.enterprise.own
        assert own is not None
        now = chain.clock.now()
        async with chain.enterprise.database.transaction() as session:
            place = (session, chain.clock, own.authority.prefix)
            key = await create_access_key(*place, Access.PARTNER, "Acme")
        token = issue_access_token(own.authority, Access.OWNER, "Me", now + timedelta(hours=1), now)
        for secret, names in ((key, {"drawing"}), (token, {"drawing", "cost"})):
            found = (await chain.enterprise.resolve(PUMP, token=secret)).json()
            record = verify_record(found["record"], own.authority)
            opened = dict(open_disclosure(record, one) for one in found["disclosures"])
            assert set(opened) == names
        assert (await chain.enterprise.resolve(PUMP)).json()["disclosures"] == []
        async with chain.enterprise.database.transaction() as session:
            assert await revoke_access_keys(*(session, *place[1:]), "Acme") == 1
        answer = await chain.enterprise.resolve(PUMP, token=key)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "identifier_access_denied"

    async def test_answer_to_a_partner_is_not_served_to_others(self, chain: Chain) -> None:
        own = chain.enterprise.own
        assert own is not None
        now = chain.clock.now()
        token = issue_access_token(own.authority, Access.OWNER, "Me", now + timedelta(hours=1), now)
        assert (await chain.enterprise.resolve(PUMP, token=token)).json()["disclosures"]
        for node in (chain.enterprise, chain.industry, chain.resolver):
            for _ in range(2):
                assert (await node.resolve(PUMP)).json()["disclosures"] == []

    async def test_bulk_registration_is_idempotent_with_partial_errors(self, chain: Chain) -> None:
        own = chain.enterprise.own
        assert own is not None
        async with chain.enterprise.database.transaction() as session:
            place = (session, chain.clock, own.authority.prefix)
            key = await create_access_key(*place, Access.OWNER, "ERP")
        headers = {"authorization": f"Bearer {key}"}
        body = "\n".join(
            [
                '{"id": "88.100.5001/A"}',
                '{"id": "88.100.5001/A"}',
                '{"id": "88.100.5002/B"}',
                '{"id": "x"}',
                '{"id": "88.100.5001/PUMP-1", "version": 1}',
            ]
        )
        path = "/v1/node/records"
        first = await chain.enterprise.http.post(path, content=body, headers=headers)
        statuses = [one["status"] for one in first.json()["data"]]
        assert statuses == ["created", "unchanged", "error", "error", "error"]
        codes = [one["error"] and one["error"]["code"] for one in first.json()["data"]]
        assert codes[2:] == ["prefix_not_owned", "identifier_invalid", "record_version_conflict"]
        again = await chain.enterprise.http.post(path, content=body, headers=headers)
        assert again.json()["counts"] == {"created": 0, "updated": 0, "unchanged": 2, "error": 3}
        assert (await chain.enterprise.resolve("88.100.5001/A")).status_code == 200
        refused = await chain.enterprise.http.post(path, content=body)
        assert refused.status_code == 401


class TestOperation:
    async def test_counts_are_daily_aggregates(self, chain: Chain) -> None:
        for identifier in (PUMP, PUMP, "88.100.5001/NONE"):
            await chain.resolver.resolve(identifier)
        await chain.resolver.node.tick()
        async with chain.resolver.database.transaction() as session:
            rows = await daily_counts(session, chain.clock.now().date())
        assert {(row.role, row.outcome): row.count for row in rows} == {
            ("enterprise", "resolved"): 2,
            ("enterprise", "not_found"): 1,
        }
        metrics = await chain.resolver.http.get("/metrics")
        assert 'maas_node_resolutions_total{role="enterprise",outcome="resolved"} 2' in metrics.text

    async def test_status_shows_cache_hits_peers_and_errors(self, chain: Chain) -> None:
        for _ in range(4):
            await chain.resolver.resolve(PUMP)
        await chain.enterprise.stop()
        assert (await chain.resolver.resolve("88.100.5001/NEW")).status_code == 503
        status = (await chain.resolver.http.get("/v1/node")).json()
        assert (status["resolutions"], status["cache_hits"]) == (5, 3)
        assert status["cache_hit_rate"] == 0.6
        reachable = {one["node"]: one["reachable"] for one in status["peers"]}
        assert reachable == {
            chain.national.url: True, chain.industry.url: True, chain.enterprise.url: False,
        }  # fmt: skip
        assert [one["code"] for one in status["errors"]] == ["identifier_node_unreachable"]
        assert "NEW" not in str(status)

    async def test_status_shows_prefixes_without_private_keys(self, chain: Chain) -> None:
        status = (await chain.industry.http.get("/v1/node")).json()
        assert [one["prefix"] for one in status["prefixes"]] == ["88.100"]
        assert [one["prefix"] for one in status["delegations"]] == ["88.100.5001"]
        assert "d" not in status["prefixes"][0]["key"]
        assert (await chain.industry.http.get("/nowhere")).status_code == 404

    async def test_client_over_the_rate_is_refused(
        self, postgres: str, emptying: Emptying, tmp_path: Path
    ) -> None:
        limit = {"node_requests_per_minute": 60}
        async with run_node(postgres, "limited", tmp_path, **limit) as node:
            statuses = [(await node.resolve("88.1/x")).status_code for _ in range(4)]
            assert statuses[:2] == [404, 404]
            assert statuses[3] == 429
