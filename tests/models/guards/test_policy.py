"""Guard policies: what is valid, and what the audit log gets of them."""

from typing import Any

import pytest

from models.guards.policy import MAX_RULES, MAX_WORDS, GuardInvalid, parse_policy

WORDS = {"kind": "words", "action": "mask", "applies_to": "both", "words": ["falcon"]}
PERSONAL = {
    "kind": "personal_data", "action": "refuse", "applies_to": "input",
    "categories": ["phone", "resident_id"],
}  # fmt: skip


MODEL = {"kind": "model", "action": "refuse", "applies_to": "output", "model": "guard"}


def test_policy_is_the_same_after_a_round_trip() -> None:
    policy = parse_policy([WORDS, PERSONAL, MODEL])
    assert parse_policy(policy.to_json()) == policy
    assert policy.to_json()[2] == {
        **MODEL, "on_failure": "refuse", "on_controversial": "refuse", "timeout_ms": 3_000,
    }  # fmt: skip
    assert policy.to_json()[1]["categories"] == ["resident_id", "phone"]


def test_repeated_words_count_once() -> None:
    assert parse_policy([{**WORDS, "words": ["a", " a ", "b"]}]).rules[0].words == ("a", "b")


def test_summary_has_no_words() -> None:
    assert parse_policy([WORDS, PERSONAL, MODEL]).summary() == [
        "words mask both 1", "personal_data refuse input resident_id+phone",
        "model refuse output guard",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "param"),
    [
        ([], "rules"),
        ([WORDS] * (MAX_RULES + 1), "rules"),
        ([{**WORDS, "kind": "regex"}], "rules[0].kind"),
        ([{**WORDS, "action": "warn"}], "rules[0].action"),
        ([{**WORDS, "applies_to": "all"}], "rules[0].applies_to"),
        ([WORDS, {**WORDS, "categories": ["phone"]}], "rules[1].categories"),
        ([{**WORDS, "words": []}], "rules[0].words"),
        ([{**WORDS, "words": [f"w{n}" for n in range(MAX_WORDS + 1)]}], "rules[0].words"),
        ([{**WORDS, "words": ["a", "--"]}], "rules[0].words[1]"),
        ([{**WORDS, "words": ["x" * 101]}], "rules[0].words[0]"),
        ([{**WORDS, "words": [7]}], "rules[0].words[0]"),
        ([{**PERSONAL, "categories": ["name"]}], "rules[0].categories"),
        ([{**PERSONAL, "categories": []}], "rules[0].categories"),
        ([MODEL] * 3, "rules"),
        ([{**MODEL, "action": "mask"}], "rules[0].action"),
        ([{**MODEL, "model": ""}], "rules[0].model"),
        ([{**MODEL, "on_failure": "wait"}], "rules[0].on_failure"),
        ([{**MODEL, "on_controversial": "wait"}], "rules[0].on_controversial"),
        ([{**MODEL, "timeout_ms": 99}], "rules[0].timeout_ms"),
        ([{**MODEL, "timeout_ms": True}], "rules[0].timeout_ms"),
        ([{**MODEL, "words": ["a"]}], "rules[0].words"),
    ],
)
def test_invalid_policy_names_the_field(rules: list[dict[str, Any]], param: str) -> None:
    with pytest.raises(GuardInvalid) as raised:
        parse_policy(rules)
    assert raised.value.param == param
