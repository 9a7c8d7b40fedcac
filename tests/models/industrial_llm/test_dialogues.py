"""Training files of dialogues: validation by line and field, and the held-out split."""

from typing import Any

import pytest

from models.adaptation import TrainingFileInvalid
from models.industrial_llm.dialogues import (
    HELD_OUT_PERIOD,
    MAX_LINE_BYTES,
    MIN_DIALOGUES,
    parse_training_file,
)
from tests.models.industrial_llm.orders import file, line, orders


def calling() -> dict[str, Any]:
    """A line in OpenAI's format in which the assistant calls a tool."""
    called = {"id": "1", "type": "function", "function": {"name": "stop", "arguments": "{}"}}
    asked = line("stop it", "done")["messages"][0]
    return {"messages": [asked, {"role": "assistant", "content": None, "tool_calls": [called]}]}


class TestTrainingFileParsing:
    def test_dialogues_are_split_into_train_and_held_out(self) -> None:
        divided = parse_training_file(file(*orders(80)))
        assert (len(divided.train), len(divided.held_out)) == (
            80 - 80 // HELD_OUT_PERIOD,
            80 // HELD_OUT_PERIOD,
        )
        assert not {one.key for one in divided.train} & {one.key for one in divided.held_out}
        assert parse_training_file(file(*orders(80))) == divided

    def test_question_with_several_answers_stays_in_one_split(self) -> None:
        twice = [line(f"order {at}", f"answer {two}") for at in range(40) for two in range(2)]
        divided = parse_training_file(file(*twice))
        assert len(divided.conflicting_lines) == 40
        assert set(divided.conflicting_lines) == {(at, at + 1) for at in range(1, 80, 2)}
        assert "40 questions have several answers" in divided.warnings[0]
        assert divided.warnings[0].count(" and ") == 6
        assert not {one.question for one in divided.train} & {
            one.question for one in divided.held_out
        }

    def test_duplicate_lines_count_once_and_are_reported(self) -> None:
        divided = parse_training_file(file(*orders(20), *orders(20)))
        assert len(divided.train) + len(divided.held_out) == 20
        assert divided.duplicate_lines == tuple(range(21, 41))
        assert divided.warnings == (
            "20 lines are duplicates and count once: 21, 22, 23, 24, 25 and others.",
        )

    def test_developer_role_becomes_system_role(self) -> None:
        one = line("a", "b", system="be short")
        one["messages"][0]["role"] = "developer"
        divided = parse_training_file(file(one, *orders(20)))
        (kept,) = [each for each in (*divided.train, *divided.held_out) if each.line == 1]
        assert kept.turns[0] == ("system", "be short")

    def test_multi_turn_dialogue_keeps_turn_order(self) -> None:
        long = line("first", "one", "be short")
        long["messages"] += line("second", "two")["messages"]
        divided = parse_training_file(file(long, *orders(20)))
        (kept,) = [one for one in (*divided.train, *divided.held_out) if one.line == 1]
        assert [one["role"] for one in kept.messages] == [
            *("system", "user", "assistant", "user", "assistant"),
        ]
        assert kept.messages[-1]["content"] == "two"

    def test_line_of_other_format_reports_all_wrong_fields(self) -> None:
        with pytest.raises(TrainingFileInvalid) as raised:
            parse_training_file(file(*orders(20)) + b"\n" + b'{"prompt": "a", "completion": "b"}')
        found = {(one.line, one.code, one.field) for one in raised.value.problems.shown}
        assert found == {
            (21, "missing_field", "messages"),
            (21, "unknown_field", "prompt"),
            (21, "unknown_field", "completion"),
        }

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            (b"{", "Line 21"),
            (b'{"prompt": "a", "completion": "b"}', "Line 21.*messages.*2 more problems"),
            (b'{"messages": []}', "Line 21, `messages`"),
            (file(line("a", "b"))[:-1] + b', "weight": 1}', "Line 21.*weight"),
            (b'{"messages": [{"role": "robot", "content": "x"}]}', "Line 21.*role"),
            (b'{"messages": [{"role": "user", "content": "x"}]}', "must alternate"),
            (b'{"messages": [{"role": "user", "content": null}]}', "Line 21.*content"),
            (file(line("x", "  ")), r"Line 21, `messages\[1\].content` is empty"),
            (file(line("x" * MAX_LINE_BYTES, "y")), "Line 21 is larger than 64 KiB"),
            (b'{"messages": "\xff"}', "Line 21"),
            (file({**line("a", "b"), "tools": []}), "Line 21, `tools`: tool calls"),
            (file(calling()), r"Line 21, `messages\[1\].tool_calls`: tool calls"),
            (
                b'{"messages": [{"role": "tool", "content": "x"}]}',
                r"Line 21, `messages\[0\].role` \(tool\): tool calls",
            ),
        ],
    )
    def test_invalid_line_is_rejected_with_line_and_field(self, wrong: bytes, told: str) -> None:
        with pytest.raises(TrainingFileInvalid, match=told):
            parse_training_file(file(*orders(20)) + b"\n" + wrong)

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            (b"", "There are 0 different dialogues"),
            (file(*orders(1)), "There are 1 different"),
            (file(*orders(MIN_DIALOGUES - 1)), "different dialogues"),
            (file(*(line(f"q {at}", "same") for at in range(40))), "All answers are the same"),
            (file(*(line("q", f"answer {at}") for at in range(40))), "1 different questions"),
        ],
    )
    def test_file_without_enough_variation_is_rejected(self, given: bytes, told: str) -> None:
        with pytest.raises(TrainingFileInvalid, match=told):
            parse_training_file(given)
