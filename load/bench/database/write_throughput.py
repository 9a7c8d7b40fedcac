"""How many calls PostgreSQL can store: by number of writers and size of a commit group.

Each writer is a process of its own, as gateways are.
"""

import json
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from infra import ids
from load.bench.gateways.processes import python_module
from load.deployment.firms import Firm

_PROCESS = """
    insert into gateway_process (id, host, pid, started_at, expires_at)
    values (%(process)s, 'bench', 1, now(), now() + interval '1 day')
"""
# More than a run can cost, so that no writer needs another lease.
_LEASE = """
    insert into quota_lease (process_id, quota_id, borrowed, used, folded)
    select %(process)s, id, 1000000000000000, 0, 0 from quota
    where account_id = %(account)s and key_id is null and kind = 'credit'
    returning quota_id
"""


@dataclass(frozen=True, slots=True)
class WriteThroughput:
    """Calls and commits per second of all writers, and commit latencies in milliseconds."""

    writers: int
    group: int
    calls_s: float
    commits_s: float
    p50_ms: float
    p99_ms: float


def measure_write_throughput(
    url: str,
    firms: Sequence[Firm],
    model: str,
    writers: Sequence[int],
    groups: Sequence[int],
    seconds: float,
) -> Iterator[WriteThroughput]:
    """Measure each number of writers with each group size; firms are assigned in turn."""
    for number in writers:
        for group in groups:
            orders = [
                {**_prepare_process(url, firms[at % len(firms)]), "url": url, "model": model}
                | {"group": group, "seconds": seconds}
                for at in range(number)
            ]
            yield _summarise(number, group, seconds, _run_writers(orders))


def _summarise(
    number: int, group: int, seconds: float, commit_times: Sequence[float]
) -> WriteThroughput:
    milliseconds = [1000 * one for one in commit_times]
    return WriteThroughput(
        number,
        group,
        group * len(commit_times) / seconds,
        len(commit_times) / seconds,
        statistics.median(milliseconds),
        statistics.quantiles(milliseconds, n=100)[98],
    )


def _run_writers(orders: Sequence[Mapping[str, Any]]) -> list[float]:
    """Run writer processes and return the seconds of each of their commits."""
    children = []
    for one in orders:
        child = subprocess.Popen(
            python_module("load.bench.database.writer"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert child.stdin is not None
        child.stdin.write(json.dumps(one))
        child.stdin.close()
        children.append(child)
    commit_times: list[float] = []
    for child in children:
        assert child.stdout is not None
        output = child.stdout.read()
        if child.wait():
            raise RuntimeError("a writer has ended; what it said is above")
        commit_times += json.loads(output)["took"]
    return commit_times


def _prepare_process(url: str, firm: Firm) -> dict[str, str]:
    """Create a gateway process row with a lease of the firm's credit."""
    process, account = ids.new_id(), ids.parse_id("acct", firm.account)
    with psycopg.connect(url) as connection:
        values = {"process": process, "account": account}
        connection.execute(_PROCESS, values)
        row = connection.execute(_LEASE, values).fetchone()
    assert row is not None
    key = ids.parse_id("key", firm.key_id)
    return {
        "process": str(process),
        "account": str(account),
        "key": str(key),
        "quota": str(row[0]),
    }
