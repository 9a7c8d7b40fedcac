"""`python -m load.bench.stream_chunks`: cost of a streamed chunk, of maas and of the bare relay.

CPU time is the median of alternating runs of one process that is upstream, relay and client.
`--instructions` counts with valgrind instead (which must be installed): the count does not depend
on what else the machine does. Both are differences between long and short streams, so that the
start and the cost of a call are not included.
"""

import argparse
import asyncio
import re
import socket
import statistics
import subprocess
import sys
import time
from functools import partial

import uvicorn
import uvloop

from load.bench.stream_chunks.lockstep import Client, Upstream, UpstreamConnection
from load.bench.stream_chunks.relays import bare_server, maas_server

_SERVERS = {"bare": bare_server, "maas": maas_server}
# Upstream and client without a relay; subtracted from the others.
_DIRECT = "direct"
_COLLECTED = re.compile(r"Collected : (\d+)")
_SHORT = 64


def main() -> None:
    """Measure each gateway in processes of its own and print the cost of a chunk."""
    options = _options()
    if options.child:
        sys.stdout.write(f"{uvloop.run(_measure(options)):.6f}\n")
        return
    chunks = options.chunks * options.streams * options.connections
    costs: dict[str, list[float]] = {name: [] for name in (_DIRECT, *_SERVERS)}
    for _ in range(1 if options.instructions else options.rounds):
        for name, found in costs.items():
            longer = _cost(options, name, options.chunks + _SHORT)
            found.append((longer - _cost(options, name, _SHORT)) / chunks)
    unit, factor = ("instructions", 1.0) if options.instructions else ("µs CPU", 1e6)
    direct = statistics.median(costs.pop(_DIRECT))
    medians = {name: statistics.median(found) - direct for name, found in costs.items()}
    for name, cost in medians.items():
        sys.stdout.write(f"{name}: {cost * factor:.2f} {unit} per chunk\n")
    sys.stdout.write(f"maas / bare: {medians['maas'] / medians['bare']:.3f}\n")


def _cost(options: argparse.Namespace, name: str, chunks: int) -> float:
    """Return the CPU seconds or the instructions of a process that relays all streams."""
    command = [sys.executable, "-m", "load.bench.stream_chunks", "--child", name]
    command += ["--chunks", str(chunks), "--streams", str(options.streams)]
    command += ["--together", str(options.together), "--connections", str(options.connections)]
    if options.instructions:
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={options.profile}"]
        command = [*valgrind, *command]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    collected = _COLLECTED.search(done.stderr)
    return float(done.stdout if collected is None else collected[1])


async def _measure(options: argparse.Namespace) -> float:
    """Relay the streams. Returns the CPU seconds that this process used meanwhile."""
    loop = asyncio.get_running_loop()
    upstream = Upstream(options.chunks, options.together, counted=options.child == "maas")
    listening = await loop.create_server(partial(UpstreamConnection, upstream), "127.0.0.1", 0)
    address = listening.sockets[0].getsockname()
    if options.child == _DIRECT:
        return await _read_streams(options, upstream, address)
    server = _SERVERS[options.child](f"http://127.0.0.1:{address[1]}")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve([listener]))
        await asyncio.wait_for(_started(server), 60)
        used = await _read_streams(options, upstream, listener.getsockname())
        server.should_exit = True
        await serving
    return used


async def _started(server: uvicorn.Server) -> None:
    """Wait until the server accepts connections."""
    while not server.started:  # noqa: ASYNC110  # uvicorn tells it in no other way
        await asyncio.sleep(0.01)


async def _read_streams(
    options: argparse.Namespace, upstream: Upstream, address: tuple[str, int]
) -> float:
    """Read all streams from an address. Returns the CPU seconds of this process."""
    loop, began = asyncio.get_running_loop(), time.process_time()
    clients = [
        await loop.create_connection(partial(Client, upstream, number, options.streams), *address)
        for number in range(options.connections)
    ]
    await asyncio.gather(*(client.done for _, client in clients))
    return time.process_time() - began


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load.bench.stream_chunks", description=__doc__)
    add = parser.add_argument
    add("--chunks", type=int, default=2000, help="chunks of a stream, beyond the first 64")
    add("--streams", type=int, default=4, help="streams of each connection, one after the other")
    add("--connections", type=int, default=1)
    add("--together", type=int, default=1, help="chunks that arrive with one read")
    add("--rounds", type=int, default=5)
    add("--instructions", action="store_true", help="count instructions with valgrind")
    add("--profile", default="/dev/null", help="file for valgrind's profile")
    add("--child", choices=(_DIRECT, *_SERVERS), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
