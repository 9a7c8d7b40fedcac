"""Chunks of a stream from passages: what is sent, held back and replaced."""

import json
from typing import Any

import pytest

from gateway.wire.file_search.citations import RetrievedPassage
from gateway.wire.file_search.grounding import AnswerCitations, AnswerFormat
from models.grounding.answer import GroundedAnswer, Grounding

PASSAGE = "Replace the return filter every 500 h; stop at 80 °C."
QUOTATION = f"{PASSAGE} [1]"


TEXT = AnswerFormat()


def citations(answer_format: AnswerFormat = TEXT, *texts: str) -> AnswerCitations:
    sources = [
        RetrievedPassage(f"file-{number}", "a.txt", 1.0, {}, text)
        for number, text in enumerate(texts or (PASSAGE,))
    ]
    return AnswerCitations.prepare("How often is the filter replaced?", "", sources, answer_format)


def chunk(
    text: str | None = None, reason: str | None = None, index: int = 0, **delta: Any
) -> bytes:
    content = {} if text is None else {"content": text}
    choice = {"index": index, "delta": {**content, **delta}, "finish_reason": reason}
    data = {"id": "c", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def decoded(events: bytes) -> list[dict[str, Any]]:
    return [json.loads(event[6:]) for event in events.split(b"\n\n") if event]


def texts(events: bytes) -> list[str]:
    choices = [choice for event in decoded(events) for choice in event["choices"]]
    return [choice["delta"]["content"] for choice in choices if "content" in choice["delta"]]


class TestHeldText:
    def test_first_chunk_with_the_role_is_sent_at_once(self) -> None:
        stream = citations().open_stream(1)
        (sent,) = decoded(stream.feed(chunk("", role="assistant")))
        assert sent["choices"][0]["delta"] == {"role": "assistant", "content": ""}

    def test_supported_sentence_is_sent_with_its_citation(self) -> None:
        stream = citations().open_stream(1)
        assert stream.feed(chunk("Every 500")) == b""
        assert stream.is_holding
        assert texts(stream.feed(chunk(" h. Stop"))) == ["Every 500 h [1]. "]
        last = decoded(stream.feed(chunk(" at 80 °C.", "stop")))
        assert last[0]["choices"][0]["finish_reason"] == "stop"
        assert last[0]["choices"][0]["delta"] == {"content": "Stop at 80 °C [1]."}
        assert not stream.is_futile
        assert not stream.rejected()

    def test_comments_and_thoughts_are_sent(self) -> None:
        stream = citations().open_stream(1)
        assert stream.feed(b": ping\n\n") == b": ping\n\n"
        (sent,) = decoded(stream.feed(chunk(reasoning="Well, 600 h?")))
        assert sent["choices"][0]["delta"] == {"reasoning": "Well, 600 h?"}

    def test_annotations_of_the_model_server_are_not_sent(self) -> None:
        stream = citations().open_stream(1)
        assert stream.feed(chunk(annotations=[{"type": "file_citation"}])) == b""

    def test_chunk_of_an_unknown_choice_or_in_no_json_is_dropped(self) -> None:
        stream = citations().open_stream(1)
        assert stream.feed(chunk("Every 500 h.", index=1)) == b""
        assert stream.feed(b'data: {"choices": "\xff"}\n\n') == b""

    def test_stream_without_a_finish_reason_releases_the_rest_at_its_end(self) -> None:
        stream = citations().open_stream(1)
        stream.feed(chunk("Every 500 h."))
        assert texts(stream.end()) == ["Every 500 h [1]."]

    def test_stream_without_a_chunk_is_not_rejected(self) -> None:
        stream = citations().open_stream(1)
        assert stream.end() == b""
        assert not stream.rejected()


class TestRejectedDraft:
    def test_nothing_after_an_unsupported_sentence_is_sent(self) -> None:
        stream = citations().open_stream(1)
        assert texts(stream.feed(chunk("Stop at 80 °C. Every 600 h. Now"))) == [
            "Stop at 80 °C [1]. "
        ]
        is_futile = [stream.is_futile]
        assert stream.feed(chunk(" stop.", "stop")) == b""
        assert [*is_futile, stream.is_futile] == [True, False]
        assert list(stream.rejected()) == [0]

    def test_quotation_follows_the_sent_sentences(self) -> None:
        sources = citations()
        stream = sources.open_stream(1)
        stream.feed(chunk("Stop at 80 °C. Every 600 h. Now"))
        correction = sources.correct(stream.rejected()[0], "Every 500 h.")
        rest, ended, told = decoded(stream.last_events({0: correction}))
        assert rest["choices"][0]["delta"] == {"content": f"\n\n{QUOTATION}"}
        assert (rest["id"], rest["model"]) == ("c", "m")
        assert ended["choices"][0]["finish_reason"] == "stop"
        marks = told["choices"][0]["delta"]["annotations"]
        full = f"Stop at 80 °C [1]. \n\n{QUOTATION}"
        assert [one["index"] for one in marks] == [14, full.rindex("[1]")]
        assert told["file_search"]["grounding"] == "quoted"

    def test_second_text_is_sent_if_nothing_of_the_draft_was(self) -> None:
        sources = citations()
        stream = sources.open_stream(1)
        stream.feed(chunk("Every 600 h. Now"))
        correction = sources.correct(stream.rejected()[0], "Every 500 h.")
        assert correction == GroundedAnswer("Every 500 h [1].", Grounding.VERIFIED)
        assert texts(stream.last_events({0: correction}))[0] == "Every 500 h [1]."

    def test_second_text_of_no_passage_is_replaced_by_the_passage(self) -> None:
        sources = citations()
        stream = sources.open_stream(1)
        stream.feed(chunk("Every 600 h. Now"))
        assert sources.correct(stream.rejected()[0], "Every 700 h.").text == QUOTATION

    def test_passage_without_a_word_of_the_question_is_not_quoted(self) -> None:
        sources = citations(AnswerFormat(), "Green cheese.")
        stream = sources.open_stream(1)
        stream.feed(chunk("Every 600 h. Now"))
        assert sources.correct(stream.rejected()[0], None) == GroundedAnswer(
            "This is not in your documents.", Grounding.NOT_FOUND
        )

    def test_marks_within_a_quoted_passage_are_no_citations(self) -> None:
        sources = citations(AnswerFormat(), "The filter: see [2] and [1].", "Other filter.")
        stream = sources.open_stream(1)
        stream.feed(chunk("The filter: 600 h. Now"))
        correction = sources.correct(stream.rejected()[0], None)
        assert [one["passage"] for one in sources.passages.annotations(correction)] == [1]

    def test_choices_are_checked_each_for_itself(self) -> None:
        stream = citations().open_stream(2)
        is_futile = []
        for event in (
            chunk("Every 500 h.", "stop"),
            chunk("Every 600 h. Now", index=1),
            chunk("", "stop", index=1),
        ):
            stream.feed(event)
            is_futile.append(stream.is_futile)
        assert is_futile == [False, True, False]
        assert list(stream.rejected()) == [1]
        correction = GroundedAnswer(QUOTATION, Grounding.QUOTED, 0)
        told = decoded(stream.last_events({1: correction}))[-1]
        assert [len(one["delta"]["annotations"]) for one in told["choices"]] == [1, 1]
        assert stream.groundings({1: correction}) == [Grounding.VERIFIED, Grounding.QUOTED]


class TestToolCalls:
    def test_text_before_a_tool_call_is_sent_unchecked(self) -> None:
        stream = citations(AnswerFormat(may_call_tools=True)).open_stream(1)
        assert stream.feed(chunk("I halt the conveyor. Now")) == b""
        assert not stream.is_futile
        (sent,) = decoded(stream.feed(chunk(tool_calls=[{"index": 0}])))
        assert sent["choices"][0]["delta"]["content"] == "I halt the conveyor. Now"
        stream.feed(chunk(None, "tool_calls"))
        assert not stream.rejected()
        assert stream.groundings({}) == [Grounding.UNCHECKED]

    def test_answer_without_a_tool_call_is_rejected_at_its_end(self) -> None:
        stream = citations(AnswerFormat(may_call_tools=True)).open_stream(1)
        stream.feed(chunk("Every 600 h. Now"))
        stream.feed(chunk(" stop.", "stop"))
        assert list(stream.rejected()) == [0]


@pytest.mark.parametrize("text", ['{"interval": "600 h"}', "Every 600 h [1]. Now"])
def test_answer_that_cannot_be_checked_is_sent_as_it_is(text: str) -> None:
    stream = citations(AnswerFormat(is_text=False)).open_stream(1)
    assert texts(stream.feed(chunk(text))) == [text]
    told = decoded(stream.last_events({}))[-1]
    assert told["choices"][0]["delta"]["annotations"] == []
    assert told["file_search"]["grounding"] == "unchecked"
