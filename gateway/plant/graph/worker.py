"""The child process that holds one account's graph and executes queries on it.

A query cannot be interrupted, so the gateway kills the process at the time limit. Memory is bounded
by the system, and the process cannot open files or sockets.
"""

import io
import os
import resource
import sys
from typing import BinaryIO

import msgspec
import pyoxigraph

from gateway.plant.graph.execution import add_triples, execute_query, load_graph
from gateway.plant.graph.messages import (
    LENGTH,
    AddRequest,
    LoadRequest,
    QueryRequest,
    WorkerReply,
    frame,
)
from infra.errors import AppError
from infra.processes import exit_with_parent

_NICE_INCREMENT = 5


def main() -> None:
    """Answer requests from stdin on stdout until stdin ends."""
    exit_with_parent()
    os.nice(_NICE_INCREMENT)
    with open("/proc/self/statm", "rb", buffering=0) as memory:
        # The highest descriptor in use: whatever would be opened later is refused.
        resource.setrlimit(resource.RLIMIT_NOFILE, (memory.fileno() + 1, memory.fileno() + 1))
        serve(sys.stdin.buffer, sys.stdout.buffer, memory)


def serve(requests: BinaryIO, replies: BinaryIO, memory: io.FileIO) -> None:
    """Answer framed requests until their stream ends. `memory` is the open `/proc/self/statm`."""
    decoder = msgspec.msgpack.Decoder(LoadRequest | AddRequest | QueryRequest)
    store = pyoxigraph.Store()
    while length := requests.read(LENGTH.size):
        request = decoder.decode(requests.read(LENGTH.unpack(length)[0]))
        if isinstance(request, QueryRequest):
            reply = _reply(store, request)
        else:
            if isinstance(request, LoadRequest):
                store = load_graph(request.triples)
            else:
                add_triples(store, request.triples)
            _limit_memory(memory, request.max_memory_bytes)
            reply = WorkerReply(triples=len(store))
        replies.write(frame(reply))
        replies.flush()


def _reply(store: pyoxigraph.Store, request: QueryRequest) -> WorkerReply:
    try:
        return execute_query(store, request.text, request.formats, request.max_result_bytes)
    except AppError as error:
        return WorkerReply(error=error.message, code=error.code)


def _limit_memory(memory: io.FileIO, extra: int) -> None:
    """Bound the address space to what is in use and `extra` bytes."""
    memory.seek(0)
    pages = int(memory.read(64).split()[0])
    maximum = pages * resource.getpagesize() + extra
    resource.setrlimit(resource.RLIMIT_AS, (maximum, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
