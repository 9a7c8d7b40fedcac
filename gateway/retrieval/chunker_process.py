"""Chunk an uploaded file in a child process with limits on memory, CPU time and wall time.

Extracting and splitting a large file takes seconds of CPU time and would block the event loop, and
a malicious file could exhaust the gateway's memory.
"""

import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import Any

import msgspec

from gateway.retrieval.chunking import split_document
from gateway.retrieval.extractors import FileUnreadable, extract_text
from gateway.retrieval.token_length import token_counter
from infra.errors import AppError
from infra.processes import exit_with_parent, limit_process

# Per file. Embedding takes 0.1 to 0.3 s per chunk on one core, so this is about 20 minutes.
MAX_CHUNKS = 5_000
_MAX_MEMORY_BYTES = 2 << 30
_NICE_INCREMENT = 10
# Files that may have scanned pages, which take 3 to 4 s each to recognise.
_SCANNED = frozenset({".pdf", ".png", ".jpg", ".jpeg"})


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long the child may work on a file: seconds of processor time, and in all."""

    cpu_s: int = 120
    total_s: float = 300.0


_TIMES, _SCANNED_TIMES = TimeLimits(), TimeLimits(cpu_s=300, total_s=600.0)


class ChunkRequest(msgspec.Struct):
    """The file to chunk and the chunking parameters, sent to the child as MessagePack.

    `weights_kind` is that of the embedding model, whose tokens are counted.
    """

    filename: str
    content: bytes
    size: int
    overlap: int
    weights_kind: str


class ChunkResult(msgspec.Struct):
    """The chunk texts, or the error message and code if the file was rejected."""

    chunks: list[str] = []
    error: str | None = None
    code: str | None = None


class FileRejected(AppError):
    """The error that the child process reported for a file."""

    status = 400
    type = "invalid_request_error"

    def __init__(self, message: str, code: str | None) -> None:
        super().__init__(message)
        self.code = code


async def chunk_in_subprocess(request: ChunkRequest) -> list[str]:
    """Extract and split a file in a child process and return the chunk texts.

    Raises FileRejected if the child rejects the file, FileUnreadable if it exceeds its limits.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # Keeps signals sent to the gateway's process group from the child. uvloop supports no
        # other way (`process_group`).
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(time_limits(request.filename).total_s):
            output, _ = await child.communicate(msgspec.msgpack.encode(request))
    except TimeoutError:
        raise FileUnreadable("Parsing the file exceeded the time limit.") from None
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    if child.returncode != 0:
        raise FileUnreadable("Parsing the file exceeded the time or memory limit.")
    result = msgspec.msgpack.decode(output, type=ChunkResult)
    if result.error is not None:
        raise FileRejected(result.error, result.code)
    return result.chunks


def time_limits(filename: str) -> TimeLimits:
    """Return the limits for a file by its extension."""
    return _SCANNED_TIMES if PurePath(filename).suffix.lower() in _SCANNED else _TIMES


def chunk_file(request: ChunkRequest) -> list[str]:
    """Extract and split a file in this process and return the chunk texts.

    Raises FileUnsupported, FileUnreadable.
    """
    document = extract_text(request.filename, request.content)
    count_tokens = token_counter(request.weights_kind)
    stream = split_document(document, request.size, request.overlap, count_tokens)
    chunks = list(islice(stream, MAX_CHUNKS + 1))
    if len(chunks) > MAX_CHUNKS:
        raise FileUnreadable(f"The file has more than {MAX_CHUNKS} chunks. Split the file.")
    return chunks


def main() -> None:
    """Run in the child process: read a ChunkRequest from stdin, write a ChunkResult to stdout."""
    exit_with_parent()
    os.nice(_NICE_INCREMENT)
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=ChunkRequest)
    limit_process(_MAX_MEMORY_BYTES, time_limits(request.filename).cpu_s)
    result: Any
    try:
        result = ChunkResult(chunk_file(request))
    except AppError as error:
        result = ChunkResult(error=error.message, code=error.code)
    sys.stdout.buffer.write(msgspec.msgpack.encode(result))


if __name__ == "__main__":
    main()
