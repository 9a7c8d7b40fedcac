"""What a language model may ask beside specialists: searches of documents, other language models.

A helper gets a text and gives texts. Its answer is data, and no decision: figures of a passage may
stand in an answer, those of another language model only if they are known from elsewhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

# Of a question or query, in bytes of UTF-8, which bound its tokens.
MAX_ASKED_BYTES = 2_000
SEARCH_NAME = "file_search"
_MODEL_PREFIX = "ask_"
_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_SEARCH_DESCRIPTION = (
    "Search the documents again with other words. The result has numbered passages to cite."
)
_MODEL_DESCRIPTION = "Ask another language model, for example for a translation or a second opinion"


class HelperKind(StrEnum):
    """What a helper is."""

    SEARCH = "file_search"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Helper:
    """A search of the request's documents, or another language model by its public name."""

    kind: HelperKind
    model: str = ""
    description: str = ""

    @property
    def name(self) -> str:
        """Return the name of the function."""
        if self.kind is HelperKind.SEARCH:
            return SEARCH_NAME
        return _MODEL_PREFIX + _NAME.sub("_", self.model)[:56]

    @property
    def parameter(self) -> str:
        """Return the name of the function's only parameter."""
        return "query" if self.kind is HelperKind.SEARCH else "question"

    def definition(self) -> dict[str, Any]:
        """Return the helper as a function in OpenAI's form."""
        described = ": ".join(part for part in (_MODEL_DESCRIPTION, self.description) if part)
        schema = {
            "type": "object",
            "properties": {self.parameter: {"type": "string"}},
            "required": [self.parameter],
            "additionalProperties": False,
        }
        function = {
            "name": self.name,
            "description": _SEARCH_DESCRIPTION if self.kind is HelperKind.SEARCH else described,
            "parameters": schema,
        }
        return {"type": "function", "function": function}

    def asked_text(self, arguments: Mapping[str, Any]) -> str:
        """Return the text of a call, cut to its most bytes; empty if the call has none."""
        text = arguments.get(self.parameter)
        if not isinstance(text, str):
            return ""
        return text.encode()[:MAX_ASKED_BYTES].decode(errors="ignore").strip()


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage by its number in the list of passages of the answer."""

    number: int
    filename: str
    text: str


@dataclass(frozen=True, slots=True)
class Consultation:
    """The end of a helper's call: the answer of a model, or passages, or the error it ended with.

    `request_ids` are the calls that it took, `cost_nano` is what they cost unless the conversation
    fails.
    """

    helper: Helper
    asked: str
    answer: str = ""
    passages: tuple[FoundPassage, ...] = ()
    request_ids: tuple[UUID, ...] = ()
    error: str | None = None
    error_code: str | None = None
    cost_nano: int = 0
