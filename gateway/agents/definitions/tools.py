"""Sections `[[tools]]` and `[[steps]]`: what an agent may call, and when it does.

A tool that is not listed is not called. Steps with specialists and mechanisms run after the rules;
language models write texts about decisions, and decide nothing.
"""

from collections.abc import Sequence
from enum import StrEnum
from math import isfinite
from typing import Any

import msgspec

from gateway.agents.errors import AgentDefinitionInvalid

MAX_TOOLS, MAX_STEPS, MAX_CALLS, MAX_STORES = 10, 10, 20, 10
_MAX_NAME, _MAX_LIMIT = 60, 1e15


class ToolKind(StrEnum):
    """What a tool is. A file search is used by steps of a language model."""

    SPECIALIST = "specialist"
    MECHANISM = "mechanism"
    LANGUAGE_MODEL = "language_model"
    FILE_SEARCH = "file_search"


class StepWhen(StrEnum):
    """When a step runs: in every tick, or only if a rule or an earlier step raised something."""

    ALWAYS = "always"
    RAISED = "raised"


class Tool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool that the agent may call. max_calls: in one tick. vector_stores: of a file search."""

    name: str
    kind: ToolKind
    model: str = ""
    max_calls: int = 1
    vector_stores: tuple[str, ...] = ()


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One call of a tick.

    A specialist or mechanism is called by asset; `output` beyond `above` or `below` raises the step
    like a rule. A language model writes a text about what was raised, with the passages of the file
    search `search`, if that is named.
    """

    name: str
    tool: str
    when: StepWhen = StepWhen.RAISED
    output: str = ""
    above: float | None = None
    below: float | None = None
    options: dict[str, Any] = {}
    search: str = ""

    @property
    def limit(self) -> float:
        """The limit of the output; a checked step of a specialist has one."""
        return (self.above if self.above is not None else self.below) or 0.0


class Toolset(msgspec.Struct, frozen=True, kw_only=True):
    """The tools and steps of a definition."""

    tools: tuple[Tool, ...] = ()
    steps: tuple[Step, ...] = ()

    def find(self, name: str, *kinds: ToolKind) -> Tool | None:
        """Return the tool with a name and one of the kinds, None if it is not allowed."""
        return next((one for one in self.tools if one.name == name and one.kind in kinds), None)

    @property
    def checks(self) -> tuple[Step, ...]:
        """The steps with specialists and mechanisms."""
        return tuple(one for one in self.steps if self._is_check(one))

    @property
    def texts(self) -> tuple[Step, ...]:
        """The steps with language models."""
        return tuple(one for one in self.steps if not self._is_check(one))

    @property
    def always_runs(self) -> bool:
        """Whether a step runs in every tick."""
        return any(one.when is StepWhen.ALWAYS for one in self.steps)

    def _is_check(self, step: Step) -> bool:
        """Return whether a step is a specialist's or a mechanism's."""
        return self.find(step.tool, *CHECKING) is not None


CHECKING = (ToolKind.SPECIALIST, ToolKind.MECHANISM)


def check_toolset(tools: Sequence[Tool], steps: Sequence[Step]) -> Toolset:
    """Return tools and steps that fit each other. Raises AgentDefinitionInvalid."""
    _require(len(tools) <= MAX_TOOLS, "tools", f"has at most {MAX_TOOLS} entries.")
    _require(len(steps) <= MAX_STEPS, "steps", f"has at most {MAX_STEPS} entries.")
    _require(len({one.name for one in tools}) == len(tools), "tools", "need different names.")
    _require(len({one.name for one in steps}) == len(steps), "steps", "need different names.")
    for index, tool in enumerate(tools):
        _check_tool(tool, f"tools[{index}]")
    toolset = Toolset(tools=tuple(tools), steps=tuple(steps))
    for index, step in enumerate(steps):
        _check_step(toolset, step, f"steps[{index}]")
    for tool in tools:
        used = sum(step.tool == tool.name for step in steps)
        _require(used <= tool.max_calls, "steps", f"call {tool.name!r} more than `max_calls`.")
    return toolset


def _check_tool(tool: Tool, at: str) -> None:
    """Raise AgentDefinitionInvalid for a tool that cannot be called."""
    _require(0 < len(tool.name) <= _MAX_NAME, f"{at}.name", f"has 1 to {_MAX_NAME} characters.")
    _require(1 <= tool.max_calls <= MAX_CALLS, f"{at}.max_calls", f"must be from 1 to {MAX_CALLS}.")
    searches = tool.kind is ToolKind.FILE_SEARCH
    _require(bool(tool.model) != searches, f"{at}.model", "is needed, but not for a file search.")
    is_count = 1 <= len(tool.vector_stores) <= MAX_STORES if searches else not tool.vector_stores
    _require(
        is_count, f"{at}.vector_stores", f"has 1 to {MAX_STORES} entries for a file search only."
    )


def _check_step(toolset: Toolset, step: Step, at: str) -> None:
    """Raise AgentDefinitionInvalid for a step whose tool or fields do not fit."""
    _require(0 < len(step.name) <= _MAX_NAME, f"{at}.name", f"has 1 to {_MAX_NAME} characters.")
    checks = toolset.find(step.tool, *CHECKING) is not None
    writes = toolset.find(step.tool, ToolKind.LANGUAGE_MODEL) is not None
    _require(checks or writes, f"{at}.tool", "must name an allowed specialist, mechanism or model.")
    limits = [one for one in (step.above, step.below) if one is not None]
    if checks:
        _require(bool(step.output), f"{at}.output", "is missing.")
        _require(len(limits) == 1, at, "needs either `above` or `below`.")
        is_limit = isfinite(limits[0]) and abs(limits[0]) <= _MAX_LIMIT
        _require(is_limit, at, f"needs a limit of {_MAX_LIMIT:g} at most.")
        _require(not step.search, f"{at}.search", "goes with a language model.")
        return
    _require(not limits and not step.output, at, "of a language model has no output and no limit.")
    is_search = not step.search or toolset.find(step.search, ToolKind.FILE_SEARCH) is not None
    _require(is_search, f"{at}.search", "must name an allowed file search.")


def _require(holds: bool, field: str, reason: str) -> None:
    """Raise AgentDefinitionInvalid for a field unless a condition holds."""
    if not holds:
        raise AgentDefinitionInvalid(f"`{field}` {reason}", param=field)
