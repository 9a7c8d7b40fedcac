"""Dialogues as tokens, in the form that the served base is asked in.

Owns cutting a dialogue into what is given and what is learned: the answer with the mark that ends
the model's turn, and nothing after. Uses the chat template and the end marks that lie beside the
base's weights, so that learning and serving cannot differ.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from transformers import AutoTokenizer

from models.industrial_llm.chat import Message


class TemplateUnfit(ValueError):
    """A base whose chat template cannot be learned with, or a dialogue that does not fit it."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids: `given` ends where the model begins, `answer` with the mark that ends its turn."""

    given: tuple[int, ...]
    answer: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.given) + len(self.answer)


@dataclass(frozen=True, slots=True)
class Encoder:
    """A tokenizer with its template, and the tokens that end a turn."""

    tokenizer: Any
    ends: frozenset[int]
    template: Mapping[str, Any]

    @classmethod
    def of(cls, base: Path, template: Mapping[str, Any]) -> Self:
        """From the folder of a base's weights. Raises TemplateUnfit."""
        settings = base / "generation_config.json"
        if not settings.is_file():
            raise TemplateUnfit(f"{settings} is absent: it says which tokens end a turn.")
        ends = json.loads(settings.read_text(encoding="utf-8"))["eos_token_id"]
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
        if not tokenizer.chat_template:
            raise TemplateUnfit(f"{base} has no chat template.")
        return cls(tokenizer, frozenset([ends] if isinstance(ends, int) else ends), template)

    def encode(self, messages: Sequence[Message]) -> Encoded:
        """A dialogue that ends with the answer to learn. Raises TemplateUnfit."""
        whole = self._text(messages, begin=False)
        given = self._text(messages[:-1], begin=True)
        if not whole.startswith(given):
            raise TemplateUnfit("The template writes an answer otherwise than it asks for one.")
        return Encoded(self._ids(given), self._ended(self._ids(whole[len(given) :])))

    def _ended(self, answer: tuple[int, ...]) -> tuple[int, ...]:
        """Up to the end mark: engines stop there, so what a template has after it never comes."""
        for at, token in enumerate(answer):
            if token in self.ends:
                return answer[: at + 1]
        raise TemplateUnfit("The template ends an answer with no token that ends a turn.")

    def _text(self, messages: Sequence[Message], begin: bool) -> str:
        text: str = self.tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=begin, **self.template
        )
        return text

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False).input_ids)
