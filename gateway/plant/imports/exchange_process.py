"""Read a large file in a child process with limits on memory and processor time.

A NodeSet of 100,000 points takes half a minute of processor time and most of a gigabyte. In the
gateway it would slow all calls down, and a malicious file could exhaust the memory.
"""

import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import IO, Any

import msgspec

from gateway.plant.assets.values import PlantModel, Source
from gateway.plant.imports.exchange_formats import (
    ExchangeContent,
    PlantFile,
    read_exchange_file,
)
from infra.processes import exit_with_parent, limit_process
from infra.sentences import Sentence
from models.sentences import restored, sentence

# Smaller files are read in the gateway's process, as the start of another takes half a second.
_LARGE_BYTES = 2 << 20
_MAX_MEMORY_BYTES = 3 << 30
_CPU_S, _TOTAL_S = 300, 900.0
_NICE_INCREMENT = 5


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A large file to import that is on disk: its name, its size, and an open file at its start."""

    name: str
    stream: IO[bytes]
    size: int

    def kept_open(self) -> "StoredFile":
        """Return the file with an open file of its own, to be read after the upload is closed."""
        return replace(self, stream=os.fdopen(os.dup(self.stream.fileno()), "rb"))


def opened_file(name: str, stream: IO[bytes], *, on_disk: bool) -> PlantFile | StoredFile:
    """Return an uploaded file to import; a large one stays on disk."""
    stream.seek(0)
    size = os.fstat(stream.fileno()).st_size if on_disk else 0
    return StoredFile(name, stream, size) if size > _LARGE_BYTES else PlantFile(name, stream.read())


class ExchangeReply(msgspec.Struct):
    """What the child found, as MessagePack: an `ExchangeContent`, or no source for other files.

    A sentence is its text and what `Sentence.as_json` gives.
    """

    source: Source | None = None
    model: PlantModel = PlantModel()
    notes: list[tuple[str, dict[str, Any]]] = []
    problem: tuple[str, dict[str, Any]] | None = None


async def read_in_process(file: StoredFile) -> ExchangeContent | None:
    """Return the content of an exchange file; None for a file of another kind.

    A file that exceeds the limits of the process is returned with that problem.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, _argument(file.name)),
        stdin=file.stream,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_TOTAL_S):
            output, _ = await child.communicate()
    except TimeoutError:
        return _too_expensive()
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    if child.returncode != 0:
        return _too_expensive()
    reply = await asyncio.to_thread(msgspec.msgpack.decode, output, type=ExchangeReply)
    return _content(reply)


def main() -> None:
    """Run in the child process: read a file from stdin, write an ExchangeReply to stdout."""
    exit_with_parent()
    os.nice(_NICE_INCREMENT)
    limit_process(_MAX_MEMORY_BYTES, _CPU_S)
    found = read_exchange_file(PlantFile(sys.argv[1], sys.stdin.buffer.read()))
    sys.stdout.buffer.write(msgspec.msgpack.encode(_reply(found), enc_hook=dict))


def _argument(name: str) -> str:
    """Return the end of a file's name, by which some formats are recognised, as an argument."""
    return "".join(one for one in name if one.isprintable())[-20:]


def _reply(found: ExchangeContent | None) -> ExchangeReply:
    """Return the reply of a content."""
    if found is None:
        return ExchangeReply()
    notes = [(str(one), one.as_json()) for one in found.notes]
    problem = found.problem
    parts = problem.as_json() if isinstance(problem, Sentence) else {}
    shown = None if problem is None else (str(problem), parts)
    return ExchangeReply(found.source, found.model, notes, shown)


def _content(reply: ExchangeReply) -> ExchangeContent | None:
    """Return the content of a reply."""
    if reply.source is None:
        return None
    notes = tuple(restored(*one) for one in reply.notes)
    problem: str | None = None
    if reply.problem is not None:
        text, parts = reply.problem
        problem = restored(text, parts) if parts else text
    return ExchangeContent(reply.source, reply.model, notes, problem)


def _too_expensive() -> ExchangeContent:
    """Return the content of a file that exceeds the limits of the process."""
    message = sentence("The file needs more time or memory than an import may take.")
    return ExchangeContent(Source.CSV, problem=message)


if __name__ == "__main__":
    main()
