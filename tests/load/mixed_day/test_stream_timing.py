"""Timing of streams: first token, token interval, and incomplete streams."""

import json
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.mixed_day.stream_timing import StreamFailed, StreamTiming


def stepping(times: Sequence[float]) -> Iterator[float]:
    yield from times


def chunk(text: str, tokens: int | None = None) -> bytes:
    usage = {} if tokens is None else {"usage": {"completion_tokens": tokens}}
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}], **usage}).encode()


def usage(tokens: int) -> bytes:
    return b"data: " + json.dumps({"choices": [], "usage": {"completion_tokens": tokens}}).encode()


def timed(times: Sequence[float]) -> StreamTiming:
    clock = stepping(times)
    return StreamTiming(10.0, lambda: next(clock))


class TestStreamTiming:
    def test_complete_stream_has_first_token_time_and_token_interval(self) -> None:
        timing = timed([10.5, 10.6, 10.9])
        role = b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}'
        lines = [role, b"", chunk("a"), chunk("b"), chunk("c"), usage(5), b"data: [DONE]"]
        timing.read(lines)
        assert timing.first_token_ms == pytest.approx(500)
        assert timing.token_interval_ms == pytest.approx(100)

    def test_event_with_several_tokens_counts_each_token(self) -> None:
        timing = timed([10.5, 10.9])
        timing.read([chunk("a b", 2), chunk("c d e f", 6), b"data: [DONE]"])
        assert timing.token_interval_ms == pytest.approx(100)

    def test_single_token_has_no_token_interval(self) -> None:
        timing = timed([10.5])
        timing.read([chunk("a"), usage(1), b"data: [DONE]"])
        assert timing.token_interval_ms is None

    def test_stream_without_tokens_has_no_timing(self) -> None:
        timing = timed([])
        timing.read([usage(0), b"data: [DONE]"])
        assert (timing.first_token_ms, timing.token_interval_ms) == (None, None)

    @pytest.mark.parametrize(
        "lines", [[], [chunk("a")], [b'data: {"error": {"code": "upstream_failed"}}']]
    )
    def test_incomplete_or_failed_stream_raises_stream_failed(self, lines: list[bytes]) -> None:
        with pytest.raises(StreamFailed):
            timed([10.5]).read(lines)

    @given(st.lists(st.floats(0.001, 1), min_size=2, max_size=30))
    def test_token_interval_is_the_mean_pause_between_chunks(self, pauses: list[float]) -> None:
        times = [10.0]
        for pause in pauses:
            times.append(times[-1] + pause)
        timing = timed(times[1:])
        timing.read([*(chunk("w") for _ in pauses), usage(len(pauses)), b"data: [DONE]"])
        assert timing.first_token_ms == pytest.approx(1000 * pauses[0], abs=0.01)
        mean = 1000 * sum(pauses[1:]) / (len(pauses) - 1)
        assert timing.token_interval_ms == pytest.approx(mean, abs=0.01)
