"""Search terms of texts: codes whole and in parts, Chinese as bigrams."""

import pytest

from gateway.retrieval.lexemes import MAX_QUERY_TERMS, extract_terms, query_terms


class TestSearchTerms:
    @pytest.mark.parametrize(
        ("text", "made"),
        [
            ("The bearing", ["the", "bearing"]),
            ("6205-2RS", ["6205-2rs", "62052rs", "6205", "2rs"]),
            ("F30001", ["f30001", "30001"]),
            ("Ｆ３０００１", ["f30001", "30001"]),
            ("3.5 mm", ["3.5", "35", "3", "5", "mm"]),
            ("水泵过热", ["水泵", "泵过", "过热"]),
            ("泵", ["泵"]),
            ("更换6205轴承", ["更换", "6205", "轴承"]),
            ("Störung", ["störung"]),
            ("насос", ["насос"]),
            ("snake_case", ["snake_case", "snakecase", "snake", "case"]),
            ("' & | \\ :*", []),
            ("", []),
        ],
    )
    def test_text_is_split_into_terms(self, text: str, made: list[str]) -> None:
        assert extract_terms(text) == made

    def test_terms_are_unique_and_of_limited_length(self) -> None:
        assert extract_terms("a A a") == ["a"]
        assert extract_terms("x" * 65) == []

    def test_query_terms_start_with_codes_and_are_limited(self) -> None:
        question = " ".join(f"word{'x' * n}" for n in range(1, 50)) + " F30001"
        made = query_terms(question)
        assert len(made) == MAX_QUERY_TERMS
        assert made[:2] == ["f30001", "30001"]
