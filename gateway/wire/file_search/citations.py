"""Citations of retrieved passages: OpenAI's annotations, and the list of passages of an answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from models.grounding.answer import GroundedAnswer, Grounding
from models.grounding.sentences import CITATION

# The field of a response with the passages.
FILE_SEARCH = "file_search"
_NUMBER = re.compile(r"\d+")
# The least certain grounding of several choices is the answer's.
_LEAST_CERTAIN_FIRST = (
    Grounding.UNCHECKED,
    Grounding.NOT_FOUND,
    Grounding.QUOTED,
    Grounding.VERIFIED,
)


class PassageSource(StrEnum):
    """Where a passage comes from."""

    VECTOR_STORE = "vector_store"
    HANDBOOK = "handbook"


@dataclass(frozen=True, slots=True)
class RetrievedPassage:
    """A passage that is inserted into the prompt, with its source and relevance score.

    `file_id` is the id of the account's file, or of the handbook's passage. `path` are the triples
    by which the plant graph found it.
    """

    file_id: str
    filename: str
    score: float
    attributes: Mapping[str, Any]
    text: str
    source: PassageSource = PassageSource.VECTOR_STORE
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CitedPassages:
    """The query and the passages of an answer, as the response shows them.

    `more_queries` are those of repeated searches.
    """

    question: str
    sources: tuple[RetrievedPassage, ...]
    more_queries: tuple[str, ...] = ()

    def number_of(self, source: RetrievedPassage) -> int:
        """Return the number of a passage, from 1. Raises ValueError for an unknown one."""
        same = (source.file_id, source.text)
        for number, one in enumerate(self.sources, start=1):
            if (one.file_id, one.text) == same:
                return number
        raise ValueError("The passage is not one of the answer's.")

    def extended(self, query: str, found: Sequence[RetrievedPassage]) -> "CitedPassages":
        """Return the passages with those of another search; a known one keeps its number."""
        by_text = {(one.file_id, one.text): one for one in found}
        known = {(one.file_id, one.text) for one in self.sources}
        new = tuple(one for key, one in by_text.items() if key not in known)
        queries = (*self.more_queries, query)
        return CitedPassages(self.question, (*self.sources, *new), queries)

    def annotations(self, answer: GroundedAnswer) -> list[dict[str, Any]]:
        """Return OpenAI's `file_citation` annotations for the marks (`[1, 2]`) of an answer.

        An answer that was not checked has none: only verified citations are reported. Numbers
        without a passage are ignored.
        """
        annotations: list[dict[str, Any]] = []
        if answer.grounding is Grounding.UNCHECKED:
            return annotations
        for index, number in _cited(answer):
            if 1 <= number <= len(self.sources):
                source = self.sources[number - 1]
                annotations.append(
                    {
                        "type": "file_citation",
                        "index": index,
                        "file_id": source.file_id,
                        "filename": source.filename,
                        "source": source.source.value,
                        "passage": number,
                    }
                )
        return annotations

    def search_results(self, answers: Sequence[GroundedAnswer]) -> dict[str, Any]:
        """Return the query, all passages with a flag for cited ones, and the answers' grounding."""
        cited = {one["passage"] for answer in answers for one in self.annotations(answer)}
        results = [
            {
                "passage": number,
                "file_id": source.file_id,
                "filename": source.filename,
                "source": source.source.value,
                "score": source.score,
                "attributes": dict(source.attributes),
                "text": source.text,
                "cited": number in cited,
                **({"plant_path": list(source.path)} if source.path else {}),
            }
            for number, source in enumerate(self.sources, start=1)
        ]
        groundings = {answer.grounding for answer in answers}
        grounding = next(one for one in _LEAST_CERTAIN_FIRST if one in groundings or not groundings)
        queries = [self.question, *self.more_queries]
        return {"queries": queries, "results": results, "grounding": grounding.value}


def _cited(answer: GroundedAnswer) -> list[tuple[int, int]]:
    """Return position and number of each citation; of a quoted passage only the mark at its end."""
    marks = list(CITATION.finditer(answer.text))
    if answer.quote_start is not None:
        own = [mark for mark in marks if mark.end() <= answer.quote_start]
        marks = [*own, *marks[-1:]]
    return [(mark.start(), int(number)) for mark in marks for number in _NUMBER.findall(mark[1])]
