"""Cutting a file into pieces, in a process of its own.

A large file takes seconds, in which no call of the gateway would go on, and one made to do harm
takes what it can get: so it is read by a child with bounded memory and time.
"""

import asyncio
import os
import resource
import sys
from contextlib import suppress
from itertools import islice
from typing import Any

import msgspec

from gateway.retrieval.chunking import split
from gateway.retrieval.extractors import FileUnreadable, read
from gateway.retrieval.token_length import counter_of
from infra.errors import AppError
from infra.processes import end_with_parent
from models.catalog import load_catalog

# Of one file: at 0.1 to 0.3 s a piece on one core that is some 20 minutes.
MOST_PIECES = 5_000
_MEMORY = 2 << 30
_CPU_S = 120
_PATIENCE_S = 300.0
_NICE = 10


class Order(msgspec.Struct):
    """What is to be cut, and how."""

    filename: str
    content: bytes
    size: int
    overlap: int
    model: str
    profile: str


class Cut(msgspec.Struct):
    """The pieces, or why there are none."""

    pieces: list[str] = []
    error: str | None = None
    code: str | None = None


class FileRefused(AppError):
    """What the child said of a file."""

    status = 400
    type = "invalid_request_error"

    def __init__(self, message: str, code: str | None) -> None:
        super().__init__(message)
        self.code = code


async def cut(order: Order) -> list[str]:
    """The file's pieces. Raises FileRefused, FileUnreadable."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # A signal to the gateway's group is none of its business; uvloop knows no other way.
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            told, _ = await child.communicate(msgspec.msgpack.encode(order))
    except TimeoutError:
        raise FileUnreadable("Reading the file takes too long.") from None
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    if child.returncode != 0:
        raise FileUnreadable("Reading the file takes more time or memory than it may.")
    done = msgspec.msgpack.decode(told, type=Cut)
    if done.error is not None:
        raise FileRefused(done.error, done.code)
    return done.pieces


def pieces_of(order: Order) -> list[str]:
    """The same in this process. Raises FileUnsupported, FileUnreadable."""
    document = read(order.filename, order.content)
    count = counter_of(load_catalog(order.profile).models[order.model])
    pieces = list(islice(split(document, order.size, order.overlap, count), MOST_PIECES + 1))
    if len(pieces) > MOST_PIECES:
        raise FileUnreadable(f"The file has more than {MOST_PIECES} pieces. Divide it.")
    return pieces


def main() -> None:
    """Run as `python -m gateway.retrieval.chunker_process`: an Order in, a Cut out."""
    end_with_parent()
    os.nice(_NICE)
    order = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Order)
    for limit, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, _CPU_S)):
        resource.setrlimit(limit, (most, most))
    answer: Any
    try:
        answer = Cut(pieces_of(order))
    except AppError as error:
        answer = Cut(error=error.message, code=error.code)
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))


if __name__ == "__main__":
    main()
