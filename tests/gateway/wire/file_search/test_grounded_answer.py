"""Answers that are not streamed, checked against their passages."""

import json
from typing import Any

import msgspec
import pytest

from gateway.call.errors import UpstreamFailed
from gateway.wire.file_search.citations import RetrievedPassage
from gateway.wire.file_search.grounding import (
    AnswerCitations,
    AnswerFormat,
    answer_format,
    conversation_text,
)
from models.grounding.answer import Grounding

SOURCES = (
    RetrievedPassage("file-1", "level.txt", 0.9, {}, "Keep the level 1.5 m above the suction."),
    RetrievedPassage("file-2", "filter.txt", 0.8, {"line": "3"}, "Replace the filter every 500 h."),
)
TEXT = AnswerFormat()


def citations(
    question: str = "How often is the filter replaced?",
    answer_format: AnswerFormat = TEXT,
    context: str = "",
) -> AnswerCitations:
    return AnswerCitations.prepare(question, context, SOURCES, answer_format)


def body(*messages: Any, reason: str = "stop") -> bytes:
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": one} if not isinstance(one, dict) else one,
            "finish_reason": reason,
        }
        for index, one in enumerate(messages)
    ]
    return json.dumps({"id": "c", "choices": choices, "usage": {}}).encode()


def test_verified_answer_cites_the_supporting_passage() -> None:
    checked = citations().check_body(body("Every 500 h [1]."))
    assert not checked.rejected()
    answer = json.loads(checked.encode({}))
    message = answer["choices"][0]["message"]
    assert message["content"] == "Every 500 h [2]."
    assert message["annotations"] == [
        {
            "type": "file_citation",
            "index": 12,
            "file_id": "file-2",
            "filename": "filter.txt",
            "source": "vector_store",
            "passage": 2,
        }
    ]
    searched = answer["file_search"]
    assert searched["grounding"] == "verified"
    assert [one["cited"] for one in searched["results"]] == [False, True]
    assert searched["results"][1]["attributes"] == {"line": "3"}


def test_rejected_choices_are_replaced_and_the_least_certain_grounding_is_reported() -> None:
    checked = citations().check_body(body("Every 500 h.", "Every 600 h.", reason="stop"))
    rejected = checked.rejected()
    assert [draft.missing for draft in rejected.values()] == [("600 h",)]
    corrections = {index: citations().correct(one, None) for index, one in rejected.items()}
    answer = json.loads(checked.encode(corrections))
    contents = [choice["message"]["content"] for choice in answer["choices"]]
    assert contents == ["Every 500 h [2].", "Replace the filter every 500 h. [2]"]
    assert answer["file_search"]["grounding"] == "quoted"
    assert checked.groundings(corrections) == [Grounding.VERIFIED, Grounding.QUOTED]


def test_second_text_replaces_a_draft_whose_first_sentence_was_supported() -> None:
    (draft,) = citations().check_body(body("Every 500 h. Every 600 h.")).rejected().values()
    assert citations().correct(draft, "Every 500 h.").text == "Every 500 h [2]."


@pytest.mark.parametrize("content", ["", None])
def test_empty_answer_is_rejected(content: str | None) -> None:
    checked = citations().check_body(body(content))
    assert list(checked.rejected()) == [0]
    correction = citations().correct(checked.rejected()[0], "")
    message = json.loads(checked.encode({0: correction}))["choices"][0]["message"]
    # Nothing of an empty answer is near a passage: the first is quoted if it is on the topic.
    assert message["content"] == "This is not in your documents."


def test_empty_answer_that_a_limit_cut_stays_empty() -> None:
    checked = citations().check_body(body(None, reason="length"))
    assert not checked.rejected()
    answer = json.loads(checked.encode({}))
    assert answer["choices"][0]["message"]["content"] is None
    assert answer["file_search"]["grounding"] == "unchecked"


def test_choice_with_tool_calls_is_not_checked() -> None:
    message = {"role": "assistant", "content": "I stop it.", "tool_calls": [{"id": "1"}]}
    checked = citations().check_body(body(message))
    assert not checked.rejected()
    answer = json.loads(checked.encode({}))
    assert answer["choices"][0]["message"]["content"] == "I stop it."
    assert answer["file_search"]["grounding"] == "unchecked"


def test_unchecked_format_keeps_its_text_without_citations() -> None:
    checked = citations(answer_format=AnswerFormat(is_text=False)).check_body(body(' {"h": 600} '))
    answer = json.loads(checked.encode({}))
    message = answer["choices"][0]["message"]
    assert (message["content"], message["annotations"]) == (' {"h": 600} ', [])


def test_body_that_is_no_utf8_is_an_error_of_the_model() -> None:
    with pytest.raises(UpstreamFailed):
        citations().check_body(b'{"choices": [{"index": 0, "message": {"content": "\xff"}}]}')


def test_names_of_earlier_messages_are_known() -> None:
    text = body("Replace the filter of P-101 every 500 h.")
    assert citations().check_body(text).rejected()
    assert not citations(context="P-101 is loud.").check_body(text).rejected()


def test_without_passages_only_the_statement_is_verified() -> None:
    empty = AnswerCitations.prepare("多久？", "", (), AnswerFormat())
    checked = empty.check_body(body("每500小时。"))
    assert not empty.has_passages
    correction = empty.correct(checked.rejected()[0], None)
    assert (correction.text, correction.grounding) == (
        "您的资料中没有这项信息。",
        Grounding.NOT_FOUND,
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, AnswerFormat()),
        ({"response_format": {"type": "text"}, "logprobs": False}, AnswerFormat()),
        ({"response_format": {"type": "json_object"}}, AnswerFormat(is_text=False)),
        ({"response_format": {"type": "json_schema"}}, AnswerFormat(is_text=False)),
        ({"logprobs": True}, AnswerFormat(is_text=False)),
        ({"tools": []}, AnswerFormat(may_call_tools=True)),
        ({"tools": [], "tool_choice": "none"}, AnswerFormat()),
    ],
)
def test_format_of_the_answer_follows_from_the_request(
    fields: dict[str, Any], expected: AnswerFormat
) -> None:
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}
    assert answer_format(raw) == expected


def test_conversation_is_what_the_client_wrote() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "P-101"}, {"type": "image_url"}]},
        {"role": "assistant", "content": "600 h"},
        {"role": "tool", "content": "80 °C"},
        {"role": "user", "content": None},
    ]
    assert conversation_text(json.dumps(messages).encode()) == "Be brief.\nP-101\n80 °C"
