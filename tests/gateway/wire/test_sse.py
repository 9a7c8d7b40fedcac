"""Stream transformer: the same events for any fragments, exact usage counts and bounded memory."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating.quantities import NO_USAGE, Quantities
from gateway.wire.sse import StreamBroken, StreamTransformer, StreamUsageOption

LIMIT = 1 << 16


def chunk(index: int | None, tokens: int, prompt: int = 13, text: str = " a") -> bytes:
    """A chunk as vLLM 0.29 writes it; with index None the last chunk, which has the total usage."""
    choices = [] if index is None else [{"index": index, "delta": {"content": text}}]
    usage: dict[str, Any] = {
        "prompt_tokens": prompt,
        "total_tokens": 0,
        "completion_tokens": tokens,
    }
    if index is None:
        usage["prompt_tokens_details"] = {"cached_tokens": 4, "created_cache_tokens": 0}
    else:
        usage["completion_tokens_details"] = None
    value = {"id": "c", "choices": choices, "usage": usage, "prompt_text": None}
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def tee(
    wish: StreamUsageOption = StreamUsageOption.NONE, choices_each: int = 1
) -> StreamTransformer:
    return StreamTransformer(wish, choices_each, 4, LIMIT)


STREAM = chunk(0, 1) + chunk(0, 2) + chunk(None, 2) + b"data: [DONE]\n\n"


class TestFragmentedStream:
    @given(st.lists(st.integers(0, len(STREAM)), max_size=12), st.sampled_from(StreamUsageOption))
    def test_any_fragmentation_gives_the_same_events_and_usage(
        self, cuts: list[int], wish: StreamUsageOption
    ) -> None:
        whole, parts = tee(wish), tee(wish)
        places = [0, *sorted(cuts), len(STREAM)]
        pieces = [STREAM[a:b] for a, b in itertools.pairwise(places)]
        assert b"".join(parts.feed(piece) for piece in pieces) == whole.feed(STREAM)
        assert parts.done
        assert parts.quantities() == whole.quantities()

    def test_crlf_stream_split_into_bytes_gives_the_same_events(self) -> None:
        stream = STREAM.replace(b"\n", b"\r\n")
        parts = tee()
        shown = b"".join(parts.feed(stream[i : i + 1]) for i in range(len(stream)))
        assert shown == tee().feed(STREAM)

    def test_extra_empty_lines_are_ignored_at_any_split(self) -> None:
        stream = b"\n" + STREAM.replace(b"\n\n", b"\n\n\n")
        expected = tee().feed(STREAM)
        for place in range(len(stream)):
            parts = tee()
            assert parts.feed(stream[:place]) + parts.feed(stream[place:]) == expected
            assert parts.done

    def test_done_event_is_withheld(self) -> None:
        assert b"[DONE]" not in tee(StreamUsageOption.EVERY).feed(STREAM)

    def test_comments_are_forwarded(self) -> None:
        assert tee().feed(b": ping\n\n") == b": ping\n\n"


class TestStreamUsage:
    def test_only_usage_and_internal_fields_are_removed_from_chunk(self) -> None:
        shown = tee().feed(chunk(0, 1))
        expected = json.loads(chunk(0, 1)[6:])
        del expected["usage"], expected["prompt_text"]  # prompt_text is an internal field
        assert json.loads(shown[6:]) == expected

    @pytest.mark.parametrize(
        "event",
        [
            b'data: {"usage":{"prompt_tokens":1},"choices":[{"index":0}]}\n\n',
            b'data: {"choices": [{"index": 0}], "usage": {"prompt_tokens": 1}}\n\n',
            b'data: {"choices":[{"index":0}],"usage":null}\n\n',
        ],
    )
    def test_usage_is_removed_at_any_position(self, event: bytes) -> None:
        assert json.loads(tee().feed(event)[6:]) == {"choices": [{"index": 0}]}

    @given(st.text(max_size=40))
    def test_text_that_looks_like_usage_is_not_removed(self, text: str) -> None:
        hostile = f'{text}","usage":{{"prompt_tokens":9}},"x":"{text}'
        subject = tee()
        shown = json.loads(subject.feed(chunk(0, 1, text=hostile))[6:])
        assert shown["choices"][0]["delta"]["content"] == hostile
        assert subject.quantities() == Quantities(input_tokens=13, output_tokens=1)

    def test_quantities_are_taken_from_last_chunk(self) -> None:
        subject = tee()
        subject.feed(STREAM)
        assert subject.quantities() == Quantities(13, 4, 2)

    def test_unfinished_stream_sums_output_of_choices(self) -> None:
        subject = tee(choices_each=2)
        subject.feed(chunk(0, 3) + chunk(1, 5) + chunk(0, 4))
        assert subject.quantities() == Quantities(input_tokens=13, output_tokens=9)

    def test_unfinished_stream_sums_input_of_prompts(self) -> None:
        # Prompts of 13 and 7 tokens, two choices each: choices 0 and 1 belong to the first prompt.
        subject = tee(choices_each=2)
        subject.feed(chunk(0, 1) + chunk(1, 1) + chunk(2, 1, 7) + chunk(3, 2, 7))
        assert subject.quantities() == Quantities(input_tokens=20, output_tokens=5)

    def test_total_chunk_is_not_added_to_output(self) -> None:
        subject = tee()
        subject.feed(chunk(0, 2))
        assert subject.output_tokens() == 2
        subject.feed(chunk(None, 2))
        assert subject.output_tokens() == 2

    def test_choices_beyond_requested_number_are_not_counted(self) -> None:
        subject = tee()
        subject.feed(b"".join(chunk(index, 1) for index in range(1000)))
        assert subject.output_tokens() == 4

    def test_quantities_before_first_chunk_are_no_usage(self) -> None:
        assert tee().quantities() is NO_USAGE


class TestBrokenStream:
    @pytest.mark.parametrize(
        "event",
        [
            b"<html></html>\n\n",
            b"data: nonsense\n\n",
            b"event: x\ndata: {}\n\n",
            b'data: {"error":{"code":400}}\n\n',
            b'data: { "error": "text"}\n\n',
        ],
    )
    def test_invalid_event_raises_with_preceding_valid_events(self, event: bytes) -> None:
        with pytest.raises(StreamBroken) as caught:
            tee().feed(chunk(0, 1) + event + chunk(0, 2))
        assert caught.value.client_events == tee().feed(chunk(0, 1))

    def test_event_over_size_limit_raises(self) -> None:
        subject = tee()
        subject.feed(b"data: " + b"x" * (LIMIT - 6))
        with pytest.raises(StreamBroken):
            subject.feed(b"x")

    def test_event_over_size_limit_raises_with_preceding_valid_events(self) -> None:
        subject = tee()
        with pytest.raises(StreamBroken) as caught:
            subject.feed(chunk(0, 1) + b"data: " + b"x" * LIMIT)
        assert caught.value.client_events == tee().feed(chunk(0, 1))

    @pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
    def test_long_event_in_fragments_is_complete(self, end: bytes) -> None:
        subject = tee(StreamUsageOption.EVERY)
        event = b'data: {"id":"' + b"x" * (LIMIT - 100) + b'","choices":[{"index":0}]}'
        places = range(0, len(event + end), 7)
        shown = b"".join(subject.feed((event + end)[place : place + 7]) for place in places)
        assert shown == event + b"\n\n"

    def test_bytes_after_done_are_ignored(self) -> None:
        subject = tee()
        assert subject.feed(STREAM + b"<html>\n\n") == tee().feed(STREAM)

    @given(st.binary(max_size=300))
    def test_any_bytes_are_parsed_or_raise_stream_broken(self, data: bytes) -> None:
        subject = tee()
        try:
            subject.feed(data + b"\n\n")
            subject.quantities()
        except StreamBroken:
            pass


class TestReasoningTokens:
    """Reasoning tokens are a part of the output tokens."""

    def event(self, index: int | None, tokens: int, reasoning: int | None) -> bytes:
        details = None if reasoning is None else {"reasoning_tokens": reasoning}
        usage = {
            "prompt_tokens": 13,
            "completion_tokens": tokens,
            "completion_tokens_details": details,
            "prompt_tokens_details": {"cached_tokens": 4, "multimodal_tokens": {"image": 9}},
        }
        choices = [] if index is None else [{"index": index, "delta": {"content": "a"}}]
        value = {"id": "c", "choices": choices, "usage": usage}
        return b"data: " + json.dumps(value).encode() + b"\n\n"

    def test_total_of_a_complete_stream_has_them(self) -> None:
        stream = tee()
        stream.feed(self.event(0, 3, 2) + self.event(None, 9, 5))
        expected = Quantities(13, 4, 9, reasoning_tokens=5)
        assert stream.quantities() == expected

    def test_running_counts_of_choices_are_summed(self) -> None:
        stream = tee(choices_each=4)
        stream.feed(self.event(0, 3, 2) + self.event(1, 4, 4) + self.event(2, 5, None))
        used = stream.quantities()
        assert (used.output_tokens, used.reasoning_tokens) == (12, 6)

    def test_engine_that_reports_none_gives_unknown(self) -> None:
        stream = tee()
        stream.feed(self.event(0, 3, None))
        assert stream.quantities().reasoning_tokens is None

    def test_count_above_the_output_is_limited_to_it(self) -> None:
        stream = tee()
        stream.feed(self.event(None, 3, 7))
        assert stream.quantities().reasoning_tokens == 3

    def test_truncated_stream_reports_those_that_were_sent(self) -> None:
        stream = StreamTransformer(StreamUsageOption.LAST, 1, 1, LIMIT, ceiling=5)
        stream.feed(self.event(0, 5, 5) + self.event(0, 6, 6))
        assert stream.is_withholding
        stream.truncate()
        assert stream.usage_event is not None
        usage = json.loads(stream.usage_event[6:])["usage"]
        assert usage["completion_tokens"] == 5
        assert usage["completion_tokens_details"] == {"reasoning_tokens": 5}

    def test_first_chunk_beyond_the_ceiling_counts_the_prompt_only(self) -> None:
        stream = StreamTransformer(StreamUsageOption.LAST, 1, 1, LIMIT, ceiling=5)
        stream.feed(self.event(0, 6, 6))
        stream.truncate()
        used = stream.quantities()
        assert (used.input_tokens, used.output_tokens, used.reasoning_tokens) == (13, 0, 0)


class TestEarlyEnd:
    def test_stream_that_ends_early_has_the_usage_of_its_chunks(self) -> None:
        stream = tee(StreamUsageOption.LAST, choices_each=4)
        stream.feed(chunk(0, 3) + chunk(1, 4))
        assert stream.end_early()
        assert stream.done
        assert stream.quantities() == Quantities(input_tokens=13, output_tokens=7)
        usage = json.loads((stream.usage_event or b"")[6:])
        assert usage["choices"] == []
        assert usage["usage"]["completion_tokens"] == 7

    @pytest.mark.parametrize(
        "events",
        [b"", chunk(0, 3).replace(b'"usage"', b'"other"'), STREAM, chunk(0, 3) + chunk(None, 3)],
        ids=["no chunk", "no usage", "ended", "total known"],
    )
    def test_stream_without_usage_or_at_its_end_does_not_end_early(self, events: bytes) -> None:
        stream = tee()
        stream.feed(events)
        assert not stream.end_early()
