"""Which specialists to call at once, and what to ask for, before a language model is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from gateway.collaboration.tools import SpecialistTool
from models.arguments import Extraction, extract
from models.findings.dialogue import ask_for
from models.signature import BYTES, InputField


@dataclass(frozen=True)  # without slots, for the cached property
class Question:
    """A person's question with the tools for it, best first, and what was read for each.

    `texts` are the person's messages, the newest last. `recognised` are the models for the task
    that the classifier recognises with confidence. `from_asset` are the models that have all inputs
    because readings of an asset were added. With `is_text_work` the text is to be
    translated: no tool is called unless the language model chooses one. `asks_now`: whether the
    newest message asks for a task by itself, names an asset with readings, or is the first one.
    """

    texts: tuple[str, ...]
    language: str
    tools: tuple[SpecialistTool, ...]
    extractions: Mapping[str, Extraction]
    recognised: frozenset[str]
    from_asset: frozenset[str] = frozenset()
    is_text_work: bool = False
    asks_now: bool = True

    def missing(
        self, tool: SpecialistTool, extraction: Extraction | None = None
    ) -> list[InputField]:
        """Return the required columns that a row lacks."""
        rows = (extraction or self.extractions[tool.model]).rows
        return [field for field in tool.required if any(field.name not in row for row in rows)]

    @cached_property
    def has_new_readings(self) -> bool:
        """Return whether the newest message states an input of any tool."""
        newest = self.texts[-1:]
        return any(row for tool in self.tools for row in extract(newest, tool.fields).rows)


def direct_tools(question: Question, max_calls: int) -> tuple[SpecialistTool, ...]:
    """Return the specialists that are called without asking the language model first.

    These have all inputs, and are recognised, or the only ones with all of them where none is
    recognised. That a text names an asset does not yet ask for a specialist, unless there is one
    only. Several models of one task are all asked, so that their disagreement shows. A message such
    as `Thanks!` does not repeat the call for readings of an earlier one.
    """
    if question.is_text_work or not (question.asks_now or question.has_new_readings):
        return ()
    filled = [tool for tool in question.tools if tool.required and not question.missing(tool)]
    recognised = [tool for tool in filled if tool.model in question.recognised]
    if question.recognised:
        return tuple(recognised[:max_calls])
    if len(question.tools) > 1:
        filled = [tool for tool in filled if tool.model not in question.from_asset]
    if len(filled) == 1:
        return tuple(filled)
    same_columns = {frozenset(field.name for field in tool.required) for tool in filled}
    return tuple(filled[:max_calls]) if len(same_columns) == 1 else ()


def tool_to_ask_for(question: Question) -> SpecialistTool | None:
    """Return the one tool of which inputs are asked without asking the language model.

    That is so if there is no value in the text of which only the model could tell the column, and
    no other tool that an asset has all inputs of.
    """
    if question.from_asset or question.is_text_work:
        return None
    recognised = [tool for tool in question.tools if tool.model in question.recognised]
    candidates = recognised or list(question.tools)
    if len(candidates) != 1:
        return None
    tool = candidates[0]
    missing, extraction = question.missing(tool), question.extractions[tool.model]
    if not missing:
        return None
    are_texts_missing = any(one.datatype == BYTES and one.values is None for one in missing)
    are_numbers_missing = any(one.datatype != BYTES and one.length is None for one in missing)
    if are_texts_missing or (are_numbers_missing and extraction.unclaimed):
        return None
    return tool


def question_for_inputs(
    question: Question, tool: SpecialistTool, extraction: Extraction | None = None
) -> str:
    """Return the message that asks for the missing inputs of a tool."""
    found = extraction or question.extractions[tool.model]
    missing = question.missing(tool, found)
    return ask_for(tool.model, missing, found.problems, question.language, tool.fields)


def tools_named(tools: Sequence[SpecialistTool]) -> Mapping[str, SpecialistTool]:
    """Return the tools by function name."""
    return {tool.name: tool for tool in tools}
