"""Read the handbook's passages from `texts/AREA.LANGUAGE.md`.

    # Title of the area
    ## Title of the passage {#id}
    One paragraph.
    Source: TITLE, ADDRESS

The English and the Chinese file of an area have the same ids in the same order. A passage is one
paragraph that answers a question without its neighbours. The source is optional; it names the
public page from which a figure or clause was taken.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

TEXTS = Path(__file__).with_name("texts")
LANGUAGES = ("en", "zh")
_AREA = re.compile(r"# (?P<title>.+)")
_HEADING = re.compile(r"## (?P<title>.+) \{#(?P<id>[a-z0-9-]+)\}")
_SOURCE = re.compile(r"(?:Source: |来源：)(?P<source>.+)")


class HandbookInvalid(ValueError):
    """A text of the handbook that cannot be parsed; the message names file and line."""


@dataclass(frozen=True, slots=True)
class HandbookPassage:
    """A passage: its id within a language, area, titles, text, and the source of its figures.

    `area_id` is the name of the area's files, the same in both languages.
    """

    id: str
    language: str
    area: str
    title: str
    text: str
    source: str | None = None
    area_id: str = ""

    @property
    def key(self) -> str:
        """Return the id of the passage in any language, such as `pumps/pump-cavitation`."""
        return f"{self.area_id}/{self.id}"

    @property
    def name(self) -> str:
        """Return the name that a citation shows: the area and the title."""
        return (
            f"{self.area}: {self.title}" if self.language == "en" else f"{self.area}：{self.title}"
        )


def read_handbook(folder: Path = TEXTS) -> tuple[HandbookPassage, ...]:
    """Return all passages, by area, language and order. Raises HandbookInvalid."""
    return tuple(
        passage
        for path in sorted(folder.glob("*.md"))
        for passage in parse_area(path.name, path.read_text(encoding="utf-8"))
    )


def parse_area(file_name: str, content: str) -> tuple[HandbookPassage, ...]:
    """Parse the file `AREA.LANGUAGE.md`. Raises HandbookInvalid."""
    area_id, _, language = file_name.removesuffix(".md").rpartition(".")
    if language not in LANGUAGES:
        raise HandbookInvalid(f"{file_name}: the name must end in .en.md or .zh.md.")
    paragraphs = _numbered_paragraphs(content)
    title = _AREA.fullmatch(paragraphs[0][1]) if paragraphs else None
    if title is None:
        raise HandbookInvalid(f"{file_name}, line 1: expected '# ' and the title of the area.")
    passages = _parse_passages(file_name, language, title["title"], paragraphs[1:])
    return tuple(replace(passage, area_id=area_id) for passage in passages)


def _numbered_paragraphs(content: str) -> list[tuple[int, str]]:
    """Return the lines that are not empty, with their numbers; a paragraph is one line."""
    lines = enumerate(content.splitlines(), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip()]


def _parse_passages(
    file_name: str, language: str, area: str, paragraphs: Sequence[tuple[int, str]]
) -> Iterator[HandbookPassage]:
    """Yield the passages of a file: heading, text, and optionally its source."""
    seen: set[str] = set()
    position = 0
    while position < len(paragraphs):
        number, line = paragraphs[position]
        heading = _HEADING.fullmatch(line)
        text = paragraphs[position + 1][1] if position + 1 < len(paragraphs) else ""
        if heading is None or not text or text.startswith("#"):
            raise HandbookInvalid(
                f"{file_name}, line {number}: expected '## Title {{#id}}' and one paragraph."
            )
        if heading["id"] in seen:
            raise HandbookInvalid(f"{file_name}, line {number}: {heading['id']!r} is used twice.")
        seen.add(heading["id"])
        position += 2
        source = _SOURCE.fullmatch(paragraphs[position][1]) if position < len(paragraphs) else None
        position += source is not None
        yield HandbookPassage(
            heading["id"], language, area, heading["title"], text, source and source["source"]
        )
