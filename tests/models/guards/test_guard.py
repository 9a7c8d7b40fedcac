"""Guards: words and personal data that are found, masked or refused in texts."""

import pytest

from models.guards.guard import Guard, Verdict, compile_guard
from models.guards.policy import RuleKind, parse_policy

ID_CARD = "11010519491231002X"
MOBILE = "13812345678"
# A number of UnionPay's range with a valid check digit.
CARD = "6222021234567890128"
COMPANY = "91110000600037341L"


def guard_of(*words: str, action: str = "mask", applies_to: str = "both") -> Guard:
    rule = {"kind": "words", "action": action, "applies_to": applies_to, "words": list(words)}
    return compile_guard(parse_policy([rule]))


def masked(text: str, *words: str) -> str:
    guard = guard_of(*words).input
    assert guard is not None
    return guard.check(text).text


def private(text: str, *categories: str) -> str:
    names = list(categories or ("resident_id", "phone", "bank_card", "email"))
    rule = {"kind": "personal_data", "action": "mask", "applies_to": "input", "categories": names}
    guard = compile_guard(parse_policy([rule])).input
    assert guard is not None
    return guard.check(text).text


class TestWords:
    @pytest.mark.parametrize(
        "text",
        ["the falcon flies", "FALCON", "\uff26\uff41\uff4c\uff43\uff4f\uff4e", "a-falcon/b",
         "fal\u200bcon", "机型falcon说明"],
    )  # fmt: skip
    def test_latin_word_is_found_in_every_form(self, text: str) -> None:
        assert "<REMOVED>" in masked(text, "Falcon")

    @pytest.mark.parametrize("text", ["falcons", "falcon7", "unfalcon", "fal con"])
    def test_part_of_a_latin_word_is_not_found(self, text: str) -> None:
        assert masked(text, "falcon") == text

    def test_chinese_word_is_found_between_other_characters(self) -> None:
        assert masked("请介绍猎鹰项目的进度。", "猎鹰项目") == "请介绍<REMOVED>的进度。"

    def test_chinese_characters_of_two_clauses_are_no_word(self) -> None:
        assert masked("型号为猎，鹰项目未知", "猎鹰") == "型号为猎，鹰项目未知"

    @pytest.mark.parametrize("text", ["project falcon", "Project-Falcon", "project_falcon"])
    def test_words_of_a_phrase_may_be_joined_by_a_separator(self, text: str) -> None:
        assert masked(text, "Project Falcon") == "<REMOVED>"

    def test_phrase_is_not_found_across_a_sentence(self) -> None:
        text = "End of project. Falcon lands."
        assert masked(text, "project, falcon x") == text

    def test_mixed_word_is_found(self) -> None:
        assert masked("新的5G基站在测试", "5g基站") == "新的<REMOVED>在测试"

    def test_longest_of_two_words_is_masked_once(self) -> None:
        assert masked("项目猎鹰二号启动", "猎鹰", "猎鹰二号") == "项目<REMOVED>启动"

    def test_text_around_a_match_keeps_its_form(self) -> None:
        text = "\uff21\uff22\uff23 \ufb01n falcon e\u0301t"
        assert masked(text, "falcon") == "\uff21\uff22\uff23 \ufb01n <REMOVED> e\u0301t"

    def test_two_thousand_words_are_found_in_a_long_text(self) -> None:
        words = [f"word{n}" for n in range(1_999)]
        assert masked("word7 other " * 3, *words) == "<REMOVED> other " * 3


class TestPersonalData:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (f"身份证{ID_CARD}，", "身份证<ID_NUMBER>，"),
            (f"请打{MOBILE}联系", "请打<PHONE>联系"),
            ("\uff11\uff13\uff18\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18", "<PHONE>"),
            ("call +49 30 901820 now", "call <PHONE> now"),
            (f"付到{CARD}。", "付到<CARD>。"),
            ("card 4111 1111 1111 1111", "card <CARD>"),
            ("mail wang.li@example.com", "mail <EMAIL>"),
        ],
    )
    def test_personal_data_is_masked(self, text: str, expected: str) -> None:
        assert private(text) == expected

    @pytest.mark.parametrize(
        "text",
        [
            "11010519491231002A",  # no check digit
            "110105194912310021",  # a wrong one
            f"税号{COMPANY}",
            "序列号 6222021234567890128",  # a part number
            "6222021234567890123",  # fails Luhn's check
            "1300 rpm, 65 Nm, 2026-11-30",
        ],
    )
    def test_other_numbers_are_kept(self, text: str) -> None:
        assert private(text) == text

    def test_only_the_named_categories_are_masked(self) -> None:
        text = f"{MOBILE} wang.li@example.com"
        assert private(text, "email") == f"{MOBILE} <EMAIL>"


def test_rule_that_refuses_leaves_no_text() -> None:
    guard = guard_of("falcon", action="refuse")
    assert guard.output is not None
    assert guard.output.check("The falcon.") == Verdict("", refused_by=RuleKind.WORDS)
    assert guard.output.check("The owl.") == Verdict("The owl.")


def test_refusal_comes_before_masks() -> None:
    rules = [
        {"kind": "personal_data", "action": "mask", "applies_to": "both", "categories": ["phone"]},
        {"kind": "words", "action": "refuse", "applies_to": "output", "words": ["falcon"]},
    ]
    guard = compile_guard(parse_policy(rules))
    assert guard.input is not None
    assert guard.output is not None
    text = f"falcon {MOBILE}"
    assert guard.input.check(text) == Verdict("falcon <PHONE>", (RuleKind.PERSONAL_DATA,))
    assert guard.output.check(text).refused_by is RuleKind.WORDS


def test_rule_for_input_leaves_output_unchecked() -> None:
    assert guard_of("falcon", applies_to="input").output is None
