"""Shapes of chunks: converting by comparison gives the events and the usage that decoding gives."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating.quantities import NO_USAGE
from gateway.call.errors import UpstreamFailed
from gateway.wire.answer_fields import ResponseIdentity
from gateway.wire.sse import StreamBroken, StreamTransformer, StreamUsageOption
from gateway.wire.stop_sequences import StopSequenceTransformer

LIMIT = 1 << 16
IDENTITY = ResponseIdentity("public", "flex")
DONE = b"data: [DONE]"
# What an engine, or someone who controls its text, may put into a stream.
ODD_EVENTS = st.sampled_from(
    [
        b": keep-alive",
        b'data: {"choices":[{"index":0,"delta":{"content":"a"}}],"usage":null}',
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d\\ude00"}}]}',
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ud800"}}]}',
        b'data: {"choices":[{"index":0,"delta":{"content":"a\x01"}}]}',
        b'data: {"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"completion_tokens":01}}',
        b'data: {"usage":{"completion_tokens":7},"choices":[{"index":0,"delta":{"content":"a"}}]}',
        b'data: {"model":{"content":"a"},"choices":[{"index":0,"delta":{"role":"x"}}]}',
        b'data: {"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{}}]}',
        b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":900}}',
        b'data: {"error":{"code":400}}',
        b"data: nonsense",
        b"event: x\ndata: {}",
        DONE,
    ]
)


def delta(name: str, text: str) -> dict[str, Any]:
    """The part of a choice that has the text: of a chat, or of a text completion."""
    return {"text": text} if name == "text" else {"delta": {name: text}}


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Chunks in an engine's shapes, with any texts and counts, and odd events between them."""
    name = draw(st.sampled_from(["content", "text", "reasoning"]))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    has_usage, has_details = draw(st.booleans()), draw(st.booleans())
    texts = st.one_of(st.text(max_size=8), st.sampled_from(['"usage":{', "\n\n", "\\", "é\t", ""]))

    def chunk_of(text: str, tokens: int, created: int, stop: str | None) -> bytes:
        choice = {"index": 0, **delta(name, text), "finish_reason": stop, "stop_reason": stop}
        value: dict[str, Any] = {"id": "c", "created": created, "model": "e", "choices": [choice]}
        if has_usage:
            details = {"prompt_tokens_details": {"cached_tokens": tokens}} if has_details else {}
            value["usage"] = {"prompt_tokens": 13, "completion_tokens": tokens, **details}
        text = json.dumps(value, separators=separators, ensure_ascii=False)
        return b"data: " + text.encode("utf-8", "surrogatepass")

    alike = st.builds(
        *(chunk_of, texts, st.integers(0, 12)),
        st.sampled_from([1, 1, 1, 2]),
        st.sampled_from([None, None, None, "END"]),
    )
    return draw(st.lists(st.one_of(alike, alike, alike, ODD_EVENTS), max_size=24))


def transformer(
    kind: type[StreamTransformer], option: StreamUsageOption, ceiling: int | None, alike: bool
) -> StreamTransformer:
    """A transformer that converts similar chunks by comparison, or decodes each of them."""
    subject = kind(option, 1, 1, LIMIT, ceiling, IDENTITY)
    subject._learns_shapes = subject._learns_shapes and alike
    return subject


def outcome(subject: StreamTransformer, pieces: list[bytes]) -> tuple[Any, ...]:
    """What the client receives and what is billed, also of a stream that is aborted or broken."""
    sent, engine_error = b"", None
    try:
        for piece in pieces:
            sent += subject.feed(piece)
            while subject.is_withholding and (subject.required_tokens() or 99) < 9:
                sent += subject.release(subject.required_tokens() or 0, False)
    except StreamBroken as broken:
        sent, engine_error = sent + broken.client_events, broken.engine_error
    try:
        quantities = subject.quantities()
    except UpstreamFailed:  # the last usage is not valid JSON, which breaks the stream
        quantities = NO_USAGE
    counted = quantities, subject.output_tokens(), subject.required_tokens()
    return sent, engine_error, counted, subject.done, subject.usage_event, subject._last_chunk


@given(
    streams(),
    st.lists(st.integers(0, 4000), max_size=12),
    st.integers(0, 8000),
    st.sampled_from([b"\n\n", b"\r\n\r\n", b"\n\n\n"]),
    st.sampled_from(StreamUsageOption),
    st.sampled_from([None, 0, 6, 100]),
    st.sampled_from([StreamTransformer, StopSequenceTransformer]),
)
def test_stream_in_any_pieces_gives_what_decoding_each_chunk_gives(
    events: list[bytes],
    cuts: list[int],
    received: int,
    ending: bytes,
    option: StreamUsageOption,
    ceiling: int | None,
    kind: type[StreamTransformer],
) -> None:
    stream = b"".join(event + ending for event in events)[:received]  # it may be aborted
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    expected = outcome(transformer(kind, option, ceiling, alike=False), [stream])
    assert outcome(transformer(kind, option, ceiling, alike=True), pieces) == expected


def chunk(text: str, tokens: int, role: str | None = None) -> bytes:
    """A chunk as vLLM writes it."""
    choice = {"index": 0, "delta": {**({"role": role} if role else {}), "content": text}}
    usage = {"prompt_tokens": 13, "total_tokens": 13 + tokens, "completion_tokens": tokens}
    return (
        b"data: " + json.dumps({"id": "c", "choices": [choice], "usage": usage}).encode() + b"\n\n"
    )


def test_chunks_after_the_second_of_a_stream_are_not_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = StreamTransformer(StreamUsageOption.LAST, 1, 1, LIMIT)
    subject.feed(chunk("", 1, "assistant") + chunk("a", 2))
    monkeypatch.setattr("gateway.wire.sse.encode_chunk_event", None)
    assert b'"content":"\\n b"' in subject.feed(chunk("\n b", 3))
    assert subject.output_tokens() == 3


def test_stream_whose_chunks_all_differ_learns_few_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = StreamTransformer(StreamUsageOption.LAST, 1, 1, LIMIT)
    for number in range(9):
        subject.feed(chunk("a", 1).replace(b'"c"', b'"%d"' % number))
    monkeypatch.setattr("gateway.wire.sse.learn_shape", None)
    assert subject.feed(chunk("a", 2))
