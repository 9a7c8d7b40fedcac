"""The process that holds a graph: limits of time, result size and network."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.plant.graph.errors import QueryInvalid, QueryLimitExceeded
from gateway.plant.graph.messages import ResultFormat
from gateway.plant.graph.worker_process import GraphLimits, WorkerProcess

pytestmark = pytest.mark.usefixtures("processes", "network")

TRIPLES = "".join(f'<urn:p:{n}> <urn:label> "point {n}" .\n' for n in range(3_000)).encode()
PRODUCT = "select (count(*) as ?n) { ?a <urn:label> ?x . ?b <urn:label> ?y . ?c <urn:label> ?z }"


@asynccontextmanager
async def running(**limits: float) -> AsyncIterator[WorkerProcess]:
    worker = WorkerProcess(GraphLimits(**limits))  # type: ignore[arg-type]
    try:
        assert await worker.load(TRIPLES) == 3_000
        yield worker
    finally:
        await worker.stop()


async def test_query_over_its_time_limit_ends_the_process() -> None:
    async with running(query_timeout_s=0.3) as worker:
        with pytest.raises(QueryLimitExceeded, match=r"0\.3 s"):
            await worker.query(PRODUCT, [])
        assert not worker.is_running


async def test_process_survives_errors_and_large_results() -> None:
    async with running(max_result_bytes=1_000) as worker:
        with pytest.raises(QueryLimitExceeded, match="1000 bytes"):
            await worker.query("select * { ?s ?p ?o }", [])
        with pytest.raises(QueryInvalid, match="cannot be executed"):
            await worker.query("select * { ?s ?p", [])
        with pytest.raises(QueryInvalid):
            await worker.query("delete where { ?s ?p ?o }", [])
        reply = await worker.query("ask { ?s ?p ?o }", [ResultFormat.CSV])
        assert (reply.content, reply.media_type) == (
            b'{"head":{},"boolean":true}',
            ResultFormat.JSON,
        )


async def test_process_cannot_connect_to_other_hosts() -> None:
    connections: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(
        lambda _, writer: connections.append(writer), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    async with server, running() as worker:
        query = f"select * {{ service <http://127.0.0.1:{port}/> {{ ?s ?p ?o }} }}"
        with pytest.raises(QueryInvalid):
            await worker.query(query, [])
    assert not connections


PATHS = "".join(f"<urn:p:{n}> <urn:next> <urn:p:{(n + 1) % 900}> .\n" for n in range(900)).encode()


@pytest.mark.parametrize(
    "query",
    [
        "select (count(*) as ?n) { ?a (<urn:next>|^<urn:next>)* ?b . ?b (<urn:next>*)* ?c }",
        "select (count(*) as ?n) { ?a (!<urn:x>)* ?b . ?c (!<urn:x>)* ?d }",
        "select * { ?a <urn:next>* ?b filter regex(str(?b), '(([a-z])+.)+[A-Z]+$') } order by ?b",
    ],
)
async def test_property_paths_and_patterns_without_end_stop_at_a_limit(query: str) -> None:
    worker = WorkerProcess(GraphLimits(query_timeout_s=0.5, max_result_bytes=10_000))
    try:
        await worker.load(PATHS)
        with pytest.raises(QueryLimitExceeded):
            await worker.query(query, [])
    finally:
        await worker.stop()


@pytest.mark.parametrize(
    "query",
    [
        "select * from <file:///etc/passwd> { ?s ?p ?o }",
        "select * from named <file:///etc/passwd> { graph ?g { ?s ?p ?o } }",
        "select * { graph <file:///etc/passwd> { ?s ?p ?o } }",
        "select * from <http://127.0.0.1/other-account> { ?s ?p ?o }",
    ],
)
async def test_graphs_of_files_and_addresses_are_empty(query: str) -> None:
    async with running() as worker:
        reply = await worker.query(query, [ResultFormat.CSV])
        assert len(reply.content.splitlines()) == 1


async def test_added_triples_are_found_and_repeated_ones_change_nothing() -> None:
    async with running() as worker:
        more = b'<urn:p:1> <urn:label> "point 1" .\n<urn:new> <urn:label> "n" .\n'
        assert await worker.add(more) == 3_001
        assert await worker.add(more) == 3_001
        reply = await worker.query("ask { <urn:new> ?p ?o }", [])
        assert b"true" in reply.content
