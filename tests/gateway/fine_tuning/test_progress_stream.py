"""Progress lines of a training, in any chunks, and the size limit of a line."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call.errors import UpstreamFailed
from gateway.fine_tuning import progress_stream
from gateway.fine_tuning.progress_stream import ProgressLine, read_progress_lines
from gateway.upstream.http1 import Connection

TEXTS = ["The training starts.", "", "步骤 1"]
STREAM = b"".join(json.dumps({"progress": text}).encode() + b"\n" for text in TEXTS)


class Chunks:
    """A response that arrives in these chunks."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = list(chunks)

    async def read(self) -> bytes:
        return self._chunks.pop(0) if self._chunks else b""


async def lines_of(*chunks: bytes) -> list[ProgressLine]:
    response = cast(Connection, Chunks(chunks))
    return [line async for line in read_progress_lines(response)]


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=9))
async def test_any_chunks_give_the_same_lines(cuts: list[int]) -> None:
    places = sorted({0, *cuts, len(STREAM)})
    chunks = [STREAM[start:end] for start, end in pairwise(places)]
    assert [line.progress for line in await lines_of(*chunks)] == TEXTS


async def test_line_above_the_limit_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_stream, "_MAX_LINE_BYTES", 64)
    assert len(await lines_of(STREAM, STREAM)) == 2 * len(TEXTS)
    with pytest.raises(UpstreamFailed, match="too large"):
        await lines_of(STREAM, b"{" + b" " * 40, b" " * 40)


async def test_line_that_is_not_json_is_rejected() -> None:
    with pytest.raises(UpstreamFailed, match="could not be parsed"):
        await lines_of(b"<html>\n")


async def test_line_without_an_end_is_not_read() -> None:
    assert await lines_of(b'{"progress": "a"}') == []
