"""A vLLM reasoning parser for Qwen3 and Qwen3.5 that counts reasoning tokens by their ids.

vLLM 0.29 counts them in streams with the text that they add. A token that is a part of a character
adds none, so that Chinese text and symbols of several tokens are counted too low.
"""

from collections.abc import Sequence
from typing import Any

from vllm.parser.engine.adapters import ParserEngineReasoningAdapter
from vllm.parser.qwen3 import Qwen3Parser


class ExactReasoningParser(ParserEngineReasoningAdapter):
    """vLLM's parser of Qwen3, for models with `reasoning_parser = "qwen3_exact"` in the catalog.

    One parser reads one answer. A tool call ends the reasoning too.
    """

    _parser_engine_cls = Qwen3Parser

    def __init__(self, tokenizer: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(tokenizer, *args, **kwargs)
        parser: Any = self._parser_engine
        vocabulary = parser.vocab
        self._thinks = bool(parser.thinking_enabled)
        self._start = vocabulary.get(parser.THINK_START)
        self._ends = {vocabulary.get(parser.THINK_END), vocabulary.get(parser.TOOL_START)} - {None}
        self._read = self._count = 0
        self._has_ended = False

    def count_reasoning_tokens(self, token_ids: Sequence[int]) -> int:
        """Return how many of an answer's tokens so far are reasoning, without its marks.

        Called with all tokens after each chunk of a stream, so only the new ones are read.
        """
        if not self._thinks:
            return 0
        for token in token_ids[self._read :]:
            self._has_ended = self._has_ended or token in self._ends
            self._count += not self._has_ended and token != self._start
        self._read = len(token_ids)
        return self._count
