"""SSE: the tee reads any engine stream equally, however it is split into pieces."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating.quantities import Quantities
from gateway.call.errors import UpstreamFailed
from gateway.wire.sse import StreamBroken, StreamTransformer, StreamUsageOption
from tests.fuzzing.budget import TALLY, found, tried
from tests.fuzzing.mutating import PLACES, cut, mutated

LIMIT = 1 << 14
_CHUNK = (
    b'data: {"id":"c","choices":[{"index":%d,"delta":{"content":"a \\"usage\\": {b}"}}],'
    b'"usage":{"prompt_tokens":13,"completion_tokens":%d,"total_tokens":15}}\n\n'
)
_TOTAL = (
    b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":13,"total_tokens":16,'
    b'"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4}}}\n\n'
)
SEEDS = [
    _CHUNK % (0, 1) + _CHUNK % (0, 2) + _TOTAL + b"data: [DONE]\n\n",
    b": ping\n\n" + _CHUNK % (0, 1) + _CHUNK % (1, 1) + _CHUNK % (0, 2) + _TOTAL,
    (_CHUNK % (0, 1) + _TOTAL + b"data: [DONE]\n\n").replace(b"\n", b"\r\n"),
    _CHUNK % (0, 1) + b'data: {"error":{"message":"x","code":500}}\n\n',
    b'data: {"choices": [ ], "usage" : null}\n\ndata:{"choices":[{"text":"a"}]}\n\n',
]
Told = tuple[bytes, bool, bytes | None, Quantities | str, int]


def told(pieces: list[bytes], wish: StreamUsageOption) -> Told:
    """What client and meter receive of a stream, up to its error if it has one."""
    tee, shown, fault = StreamTransformer(wish, 1, 4, LIMIT), b"", ""
    for piece in pieces:
        try:
            shown += tee.feed(piece)
        except StreamBroken as error:
            shown, fault = shown + error.client_events, error.reason
            break
    try:
        counted: Quantities | str = tee.quantities()
    except UpstreamFailed:
        counted = fault or "no figures"
    return shown, tee.done, tee.usage_event, counted, tee.output_tokens()


@tried(100, 3_000)
@given(mutated(SEEDS), PLACES, st.sampled_from(StreamUsageOption))
def test_random_engine_stream_is_read_equally_in_any_pieces(
    stream: bytes, places: list[int], wish: StreamUsageOption
) -> None:
    """The tee reads a stream equally in any pieces."""
    TALLY.count()
    check(stream, places, wish)


@pytest.mark.parametrize("stream", found("streams"))
def test_earlier_stream_findings_are_read_equally_in_any_pieces(stream: bytes) -> None:
    for wish in StreamUsageOption:
        for places in ([], [1, 2, 3], list(range(0, len(stream), 7))):
            check(stream, places, wish)
    check_cut(stream)


def check(stream: bytes, places: list[int], wish: StreamUsageOption) -> None:
    whole, parts = told([stream], wish), told(cut(stream, places), wish)
    # The pieces decide at which byte an event is found too large; only this may differ.
    if max(map(len, stream.split(b"\n\n"))) < LIMIT // 2:
        assert parts == whole, (stream, places)
    for event in whole[0].split(b"\n\n"):
        _unasked(event, wish)


def _unasked(event: bytes, wish: StreamUsageOption) -> None:
    """Without `include_usage` the client receives no top-level usage of the engine's chunks."""
    try:
        said = json.loads(event.removeprefix(b"data:"))
    except ValueError:
        return
    if wish is StreamUsageOption.NONE and isinstance(said, dict) and said.get("choices"):
        usage = said.get("usage")
        assert not (isinstance(usage, dict) and usage.get("completion_tokens")), event


@tried(100, 2_000)
@given(mutated(SEEDS))
def test_random_stream_is_cut_off_at_its_limit(stream: bytes) -> None:
    """A stream is cut off at its limit."""
    TALLY.count()
    check_cut(stream)


def check_cut(stream: bytes) -> None:
    tee = StreamTransformer(StreamUsageOption.LAST, 1, 4, LIMIT)
    try:
        tee.feed(stream)
    except StreamBroken:
        return
    try:
        end = tee.truncate()
    except UpstreamFailed:
        return
    assert end.startswith(b"data: {")
    assert json.loads(end[6:])["choices"] is not None
