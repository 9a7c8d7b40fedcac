"""Tokenize dialogues with the base model's chat template.

A dialogue is split into the prompt and the trained answer, which ends with the end-of-turn token.
Template and end tokens come from the base model's folder, so that training and serving cannot
differ.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from transformers import AutoTokenizer

from models.industrial_llm.batches import TrainingDialogue
from models.industrial_llm.chat import Message
from models.industrial_llm.examples import Schema


class ChatTemplateError(ValueError):
    """A chat template that cannot be trained with, or a dialogue that does not fit it."""


@dataclass(frozen=True, slots=True)
class EncodedDialogue:
    """The token ids of a dialogue.

    `prompt` ends where the model starts to generate, `answer` with the end-of-turn token.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of tokens of prompt and answer."""
        return len(self.prompt) + len(self.answer)

    def after(self, length: int) -> Self:
        """Return the dialogue without so many first tokens of the prompt."""
        return replace(self, prompt=self.prompt[length:])


@dataclass(frozen=True, slots=True)
class DialogueEncoder:
    """A tokenizer with its chat template and the tokens that end a turn."""

    tokenizer: Any
    end_tokens: frozenset[int]
    template_options: Mapping[str, Any]

    @classmethod
    def load(cls, base: Path, template_options: Mapping[str, Any]) -> Self:
        """Load the tokenizer from the base model's folder. Raises ChatTemplateError."""
        settings = base / "generation_config.json"
        if not settings.is_file():
            raise ChatTemplateError(f"{settings} is missing; it defines which tokens end a turn.")
        end_tokens = json.loads(settings.read_text(encoding="utf-8"))["eos_token_id"]
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
        if not tokenizer.chat_template:
            raise ChatTemplateError(f"{base} has no chat template.")
        return cls(
            tokenizer,
            frozenset([end_tokens] if isinstance(end_tokens, int) else end_tokens),
            template_options,
        )

    def encode(self, dialogue: TrainingDialogue) -> EncodedDialogue:
        """Tokenize a dialogue that ends with an answer. Raises ChatTemplateError."""
        messages, tools = dialogue.messages, dialogue.tools
        full_text = self._render_template(messages, tools, add_generation_prompt=False)
        prompt = self.render_prompt(messages[:-1], tools)
        if not full_text.startswith(prompt):
            raise ChatTemplateError("The template writes an answer otherwise than it asks for one.")
        answer = self._cut_at_end_token(self._tokenize(full_text[len(prompt) :]))
        return EncodedDialogue(
            self._tokenize(prompt), answer[:-1] if dialogue.is_unfinished else answer
        )

    def render_prompt(self, messages: Sequence[Message], tools: Sequence[Schema] = ()) -> str:
        """Return the text after which the model writes its answer."""
        return self._render_template(messages, tools, add_generation_prompt=True)

    def _cut_at_end_token(self, answer: tuple[int, ...]) -> tuple[int, ...]:
        """Drop the tokens after the first end token, where an engine stops generating."""
        for index, token in enumerate(answer):
            if token in self.end_tokens:
                return answer[: index + 1]
        raise ChatTemplateError("The template ends an answer with no token that ends a turn.")

    def _render_template(
        self, messages: Sequence[Message], tools: Sequence[Schema], *, add_generation_prompt: bool
    ) -> str:
        """Render messages by the chat template; `add_generation_prompt` opens the answer."""
        text: str = self.tokenizer.apply_chat_template(
            list(messages),
            tools=list(tools) or None,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            **self.template_options,
        )
        return text

    def _tokenize(self, text: str) -> tuple[int, ...]:
        """Return the token ids of a text without special tokens."""
        return tuple(self.tokenizer(text, add_special_tokens=False).input_ids)
