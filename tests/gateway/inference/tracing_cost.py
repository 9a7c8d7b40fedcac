"""What tracing costs a call: `python -m tests.gateway.inference.tracing_cost [blocks] [calls]`.

One process holds a gateway that traces, one that does not, a model server of the tests and a
client. Blocks of plain calls go to them by turns, so that a busy machine is busy for both, and the
processor time of the whole process is taken, the thread that sends spans included. The collector
and PostgreSQL are processes of their own.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from infra.clock import SystemClock
from infra.database.embedded_postgres import start_postgres
from infra.database.migrate import migrate
from tests.support import builders
from tests.support.builders import Gateway
from tests.support.fakes.upstream import run_fake_upstream

_COLLECTOR = """
import http.server, sys
class Taker(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def collector() -> Iterator[str]:
    child = subprocess.Popen([sys.executable, "-c", _COLLECTOR], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield f"http://127.0.0.1:{child.stdout.readline().strip()}"
    finally:
        child.kill()
        child.wait()


async def block(gateway: Gateway, calls: int) -> float:
    """Microseconds of processor a call."""
    began = time.process_time()
    for _ in range(calls):
        answer = await gateway.chat("one two three")
        assert answer.status_code == 200, answer.text
    return (time.process_time() - began) / calls * 1e6


async def measure(url: str, folder: Path, endpoint: str, blocks: int, calls: int) -> None:
    async with run_fake_upstream() as upstream:
        plain = builders.settings(url, folder, upstream.url)
        traced = builders.settings(url, folder, upstream.url, otlp_endpoint=endpoint)
        off: list[float] = []
        on: list[float] = []
        async with (
            builders.run_gateway(plain) as without,
            builders.serve(builders.build_parts(traced, SystemClock(), builders.CATALOG)) as url,
            httpx.AsyncClient(base_url=url, headers=without.http.headers, timeout=120) as http,
        ):
            with_ = replace(without, url=url, http=http)
            for gateway in (without, with_):
                await block(gateway, calls)
            for _ in range(blocks):
                off.append(await block(without, calls))
                on.append(await block(with_, calls))
    ratios = [after / before for before, after in zip(off, on, strict=True)]
    differences = [after - before for before, after in zip(off, on, strict=True)]
    sys.stdout.write(
        f"{blocks} blocks of {calls} calls each; processor of gateway, client and model together:\n"
        f"off {statistics.median(off):.0f} us a call, on {statistics.median(on):.0f} us;\n"
        f"difference {statistics.median(differences):.0f} us, ratio {statistics.median(ratios):.3f}"
        f" ({min(ratios):.3f} to {max(ratios):.3f})\n"
    )


def main() -> None:
    blocks, calls = (int(word) for word in (*sys.argv[1:], "10", "200")[:2])
    os.environ["NO_PROXY"] = "127.0.0.1"
    with tempfile.TemporaryDirectory(prefix="maas-cost-") as folder, collector() as endpoint:
        server = start_postgres(Path(folder) / "postgres")
        try:
            builders.without_syncing(server.url)
            migrate(server.url)
            asyncio.run(measure(server.url, Path(folder), endpoint, blocks, calls))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
