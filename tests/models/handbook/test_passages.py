"""The form of the handbook's texts, and their agreement in both languages."""

import re
from collections import Counter

import pytest

from models.handbook.passages import (
    LANGUAGES,
    TEXTS,
    HandbookInvalid,
    HandbookPassage,
    parse_area,
    read_handbook,
)

AREA = """# Pumps

## Cavitation {#pump-cavitation}

It sounds as if the pump moves gravel.

Source: A guide, https://example.org/guide

## Priming {#pump-priming}

Fill the casing.
"""
# A passage must fit into the context of the embedding model and leave room for two others in a
# prompt that a small machine reads within seconds.
MAX_ENGLISH_WORDS, MAX_CHINESE_CHARACTERS = 170, 300
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@pytest.fixture(scope="module")
def handbook() -> tuple[HandbookPassage, ...]:
    return read_handbook()


def by_id(handbook: tuple[HandbookPassage, ...], language: str) -> dict[str, HandbookPassage]:
    return {passage.id: passage for passage in handbook if passage.language == language}


class TestParseArea:
    def test_passages_have_title_text_and_source(self) -> None:
        first, second = parse_area("pumps.en.md", AREA)
        assert first == HandbookPassage(
            "pump-cavitation",
            "en",
            "Pumps",
            "Cavitation",
            "It sounds as if the pump moves gravel.",
            "A guide, https://example.org/guide",
            "pumps",
        )
        assert first.key == "pumps/pump-cavitation"
        assert second.source is None

    @pytest.mark.parametrize(
        ("file_name", "content", "message"),
        [
            ("pumps.md", AREA, "must end in .en.md or .zh.md"),
            ("pumps.de.md", AREA, "must end in .en.md or .zh.md"),
            ("pumps.en.md", "", "line 1: expected '# '"),
            ("pumps.en.md", "# Pumps\n\ntext", "line 3: expected '## Title"),
            ("pumps.en.md", "# Pumps\n## A {#a}\n", "line 2: expected '## Title"),
            ("pumps.en.md", "# Pumps\n## A {#a}\n## B {#b}\nx", "line 2: expected '## Title"),
            ("pumps.en.md", "# Pumps\n## A {#a}\nx\ny", "line 4: expected '## Title"),
            ("pumps.en.md", "# Pumps\n## A {#a}\nx\n## B {#a}\ny", "line 4: 'a' is used twice"),
        ],
        ids=[
            *("no language", "other language", "empty file", "no heading", "no text"),
            *("heading as text", "two paragraphs", "id twice"),
        ],
    )
    def test_invalid_file_is_rejected_with_its_line(
        self, file_name: str, content: str, message: str
    ) -> None:
        with pytest.raises(HandbookInvalid, match=re.escape(message)):
            parse_area(file_name, content)


class TestHandbookTexts:
    def test_handbook_has_three_hundred_subjects_in_both_languages(
        self, handbook: tuple[HandbookPassage, ...]
    ) -> None:
        english, chinese = (by_id(handbook, language) for language in LANGUAGES)
        assert len(english) >= 300
        assert list(english) == list(chinese)

    def test_id_is_unique_in_its_language(self, handbook: tuple[HandbookPassage, ...]) -> None:
        counts = Counter((passage.language, passage.id) for passage in handbook)
        assert max(counts.values()) == 1

    def test_passage_is_short_enough(self, handbook: tuple[HandbookPassage, ...]) -> None:
        too_long = [
            passage.id
            for passage in handbook
            if (passage.language == "en" and len(passage.text.split()) > MAX_ENGLISH_WORDS)
            or (passage.language == "zh" and len(passage.text) > MAX_CHINESE_CHARACTERS)
        ]
        assert too_long == []

    def test_both_languages_state_the_same_numbers(
        self, handbook: tuple[HandbookPassage, ...]
    ) -> None:
        english, chinese = (by_id(handbook, language) for language in LANGUAGES)
        different = [key for key in english if _numbers(english[key]) != _numbers(chinese[key])]
        assert different == []

    def test_source_names_a_public_address(self, handbook: tuple[HandbookPassage, ...]) -> None:
        without = [p.id for p in handbook if p.source and not re.search(r"https?://\S+$", p.source)]
        assert without == []

    def test_every_area_has_both_files(self) -> None:
        names = {path.name.removesuffix(".md") for path in TEXTS.glob("*.md")}
        areas = {name.rpartition(".")[0] for name in names}
        assert names == {f"{area}.{language}" for area in areas for language in LANGUAGES}


def _numbers(passage: HandbookPassage) -> set[str]:
    return set(_NUMBER.findall(f"{passage.title} {passage.text}"))
