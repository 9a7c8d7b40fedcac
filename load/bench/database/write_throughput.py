"""How many calls PostgreSQL can write: by so many writers at once, in groups of so many.

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
# All that a run can cost, so that no writer has to borrow.
_LEASE = """
    insert into quota_lease (process_id, quota_id, borrowed, used, folded)
    select %(process)s, id, 1000000000000000, 0, 0 from quota
    where account_id = %(account)s and key_id is null and kind = 'credit'
    returning quota_id
"""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """calls_s: settled by all writers; commits in milliseconds."""

    writers: int
    group: int
    calls_s: float
    commits_s: float
    p50_ms: float
    p99_ms: float


def ceilings(
    url: str,
    firms: Sequence[Firm],
    model: str,
    writers: Sequence[int],
    groups: Sequence[int],
    seconds: float,
) -> Iterator[Ceiling]:
    """Each number of writers with each size of group; writers write for firms in turn."""
    for number in writers:
        for group in groups:
            told = [
                {**_prepared(url, firms[at % len(firms)]), "url": url, "model": model}
                | {"group": group, "seconds": seconds}
                for at in range(number)
            ]
            yield _ceiling(number, group, seconds, _together(told))


def _ceiling(number: int, group: int, seconds: float, took: Sequence[float]) -> Ceiling:
    milliseconds = [1000 * one for one in took]
    return Ceiling(
        number,
        group,
        group * len(took) / seconds,
        len(took) / seconds,
        statistics.median(milliseconds),
        statistics.quantiles(milliseconds, n=100)[98],
    )


def _together(told: Sequence[Mapping[str, Any]]) -> list[float]:
    """How long each commit of all of them took."""
    children = []
    for one in told:
        child = subprocess.Popen(
            python_module("load.bench.database.writer"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert child.stdin is not None
        child.stdin.write(json.dumps(one))
        child.stdin.close()
        children.append(child)
    took: list[float] = []
    for child in children:
        assert child.stdout is not None
        said = child.stdout.read()
        if child.wait():
            raise RuntimeError("a writer has ended; what it said is above")
        took += json.loads(said)["took"]
    return took


def _prepared(url: str, firm: Firm) -> dict[str, str]:
    """A process of its own with a lease of the firm's credit."""
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
