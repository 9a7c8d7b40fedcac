"""The teed stream: the same events in any pieces, the right counts, bounded memory."""

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
    """A chunk as vLLM 0.29 writes it; None is the last one, which has the total."""
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


class TestPieces:
    @given(st.lists(st.integers(0, len(STREAM)), max_size=12), st.sampled_from(StreamUsageOption))
    def test_any_cutting_gives_the_same(self, cuts: list[int], wish: StreamUsageOption) -> None:
        whole, parts = tee(wish), tee(wish)
        places = [0, *sorted(cuts), len(STREAM)]
        pieces = [STREAM[a:b] for a, b in itertools.pairwise(places)]
        assert b"".join(parts.feed(piece) for piece in pieces) == whole.feed(STREAM)
        assert parts.done
        assert parts.quantities() == whole.quantities()

    def test_windows_line_ends_cut_in_the_middle(self) -> None:
        stream = STREAM.replace(b"\n", b"\r\n")
        parts = tee()
        shown = b"".join(parts.feed(stream[i : i + 1]) for i in range(len(stream)))
        assert shown == tee().feed(STREAM)

    def test_empty_lines_say_nothing_wherever_they_are_cut(self) -> None:
        stream = b"\n" + STREAM.replace(b"\n\n", b"\n\n\n")
        expected = tee().feed(STREAM)
        for place in range(len(stream)):
            parts = tee()
            assert parts.feed(stream[:place]) + parts.feed(stream[place:]) == expected
            assert parts.done

    def test_the_end_is_held_back(self) -> None:
        assert b"[DONE]" not in tee(StreamUsageOption.EVERY).feed(STREAM)

    def test_comments_keep_the_connection_open(self) -> None:
        assert tee().feed(b": ping\n\n") == b": ping\n\n"


class TestUsage:
    def test_only_usage_is_cut_out(self) -> None:
        shown = tee().feed(chunk(0, 1))
        expected = json.loads(chunk(0, 1)[6:])
        del expected["usage"], expected["prompt_text"]  # the latter is the engine's own
        assert json.loads(shown[6:]) == expected

    @pytest.mark.parametrize(
        "event",
        [
            b'data: {"usage":{"prompt_tokens":1},"choices":[{"index":0}]}\n\n',
            b'data: {"choices": [{"index": 0}], "usage": {"prompt_tokens": 1}}\n\n',
            b'data: {"choices":[{"index":0}],"usage":null}\n\n',
        ],
    )
    def test_wherever_it_stands(self, event: bytes) -> None:
        assert json.loads(tee().feed(event)[6:]) == {"choices": [{"index": 0}]}

    @given(st.text(max_size=40))
    def test_a_text_is_never_taken_for_it(self, text: str) -> None:
        hostile = f'{text}","usage":{{"prompt_tokens":9}},"x":"{text}'
        subject = tee()
        shown = json.loads(subject.feed(chunk(0, 1, text=hostile))[6:])
        assert shown["choices"][0]["delta"]["content"] == hostile
        assert subject.quantities() == Quantities(input_tokens=13, output_tokens=1)

    def test_the_last_chunk_has_the_total(self) -> None:
        subject = tee()
        subject.feed(STREAM)
        assert subject.quantities() == Quantities(13, 4, 2)

    def test_choices_of_an_unfinished_stream_are_added_up(self) -> None:
        subject = tee(choices_each=2)
        subject.feed(chunk(0, 3) + chunk(1, 5) + chunk(0, 4))
        assert subject.quantities() == Quantities(input_tokens=13, output_tokens=9)

    def test_so_are_prompts(self) -> None:
        # Prompts of 13 and 7 tokens, two choices each: 0 and 1 are the first's.
        subject = tee(choices_each=2)
        subject.feed(chunk(0, 1) + chunk(1, 1) + chunk(2, 1, 7) + chunk(3, 2, 7))
        assert subject.quantities() == Quantities(input_tokens=20, output_tokens=5)

    def test_the_total_is_not_counted_again(self) -> None:
        subject = tee()
        subject.feed(chunk(0, 2))
        assert subject.output_tokens() == 2
        subject.feed(chunk(None, 2))
        assert subject.output_tokens() == 2

    def test_more_choices_than_there_can_be_are_not_kept(self) -> None:
        subject = tee()
        subject.feed(b"".join(chunk(index, 1) for index in range(1000)))
        assert subject.output_tokens() == 4

    def test_nothing_is_known_before_the_first_chunk(self) -> None:
        assert tee().quantities() is NO_USAGE


class TestBroken:
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
    def test_the_good_events_before_it_are_shown(self, event: bytes) -> None:
        with pytest.raises(StreamBroken) as caught:
            tee().feed(chunk(0, 1) + event + chunk(0, 2))
        assert caught.value.client_events == tee().feed(chunk(0, 1))

    def test_an_event_without_end(self) -> None:
        subject = tee()
        subject.feed(b"data: " + b"x" * (LIMIT - 6))
        with pytest.raises(StreamBroken):
            subject.feed(b"x")

    def test_so_is_one_after_good_events(self) -> None:
        subject = tee()
        with pytest.raises(StreamBroken) as caught:
            subject.feed(chunk(0, 1) + b"data: " + b"x" * LIMIT)
        assert caught.value.client_events == tee().feed(chunk(0, 1))

    @pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
    def test_a_long_event_is_found_whole(self, end: bytes) -> None:
        subject = tee(StreamUsageOption.EVERY)
        event = b'data: {"id":"' + b"x" * (LIMIT - 100) + b'","choices":[{"index":0}]}'
        places = range(0, len(event + end), 7)
        shown = b"".join(subject.feed((event + end)[place : place + 7]) for place in places)
        assert shown == event + b"\n\n"

    def test_what_follows_the_end_is_ignored(self) -> None:
        subject = tee()
        assert subject.feed(STREAM + b"<html>\n\n") == tee().feed(STREAM)

    @given(st.binary(max_size=300))
    def test_any_bytes_end_in_events_or_a_fact(self, data: bytes) -> None:
        subject = tee()
        try:
            subject.feed(data + b"\n\n")
            subject.quantities()
        except StreamBroken:
            pass
