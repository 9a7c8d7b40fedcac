"""The loop: language model -> specialist or helper -> language model -> verified answer.

If the text has all inputs of a recognised specialist, it is called first, and the language model
phrases the answer. Otherwise the language model chooses among the tools. Each step goes through a
port, so that the loop knows no network, money or time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from gateway.collaboration.answer import composed_answer, conflict_note, problems_of
from gateway.collaboration.conversation import (
    Reply,
    ToolCall,
    call_message,
    consultation_text,
    direct_arguments,
    error_text,
    parse_arguments,
    result_message,
    result_text,
)
from gateway.collaboration.decisions import Decision, Prediction, decide
from gateway.collaboration.helpers import Consultation, Helper
from gateway.collaboration.plan import (
    Question,
    direct_tools,
    question_for_inputs,
    tool_to_ask_for,
    tools_named,
)
from gateway.collaboration.tools import SpecialistTool
from infra.errors import AppError
from models.arguments import Extraction, Row, merge_arguments
from models.findings.dialogue import answer_again
from models.industrial_llm.choices import NO_TOOL_TEXT

_MAX_REPEATS = 1
_BAD_REQUEST = 400


class AnswerOrigin(StrEnum):
    """How a conversation ends."""

    VERIFIED = "verified"  # the language model's words, with the specialists' figures only
    COMPOSED = "composed"  # the gateway's own words
    ASKED = "asked"  # for inputs
    CLIENT_CALL = "client_call"  # the model calls a function of the client
    PLAIN = "plain"  # the language model answered without a specialist


class FunctionTool(Protocol):
    """What the language model may call: a specialist or a helper."""

    @property
    def name(self) -> str:
        """Return the name of the function."""
        ...

    def definition(self) -> dict[str, Any]:
        """Return the function in OpenAI's form."""
        ...


class Steps(Protocol):
    """The steps of a conversation. Each is a call of its own, with its own usage row."""

    @property
    def can_go_on(self) -> bool:
        """Whether the deadline allows a further step."""
        ...

    @property
    def texts_left(self) -> int:
        """How many steps of the language model are still paid for; waived ones are not counted."""
        ...

    async def generate(
        self, added: Sequence[Mapping[str, Any]], tools: Sequence[FunctionTool], waived: bool
    ) -> Reply:
        """Ask the language model, with messages after the client's and these tools.

        A waived call is at the operator's expense. Raises an AppError.
        """
        ...

    async def predict(self, tool: SpecialistTool, rows: tuple[Row, ...]) -> Prediction:
        """Call a specialist. An error that it ends with is a part of the prediction."""
        ...

    async def consult(self, helper: Helper, asked: str) -> Consultation:
        """Ask a helper. An error that it ends with is a part of the consultation."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a conversation ended: the answer's text, the calls for the client, the decisions.

    `missing` are the columns that the client is asked for, `consulted` the calls of helpers.
    """

    origin: AnswerOrigin
    text: str
    decisions: tuple[Decision, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    missing: tuple[str, ...] = ()
    consulted: tuple[Consultation, ...] = ()


@dataclass(slots=True)
class Conversation:
    """One conversation about a question; `run` ends it.

    `client_functions` are the names of the client's own functions. `passages` are texts of
    documents that stand in the prompt: a question may be about them, and figures may be theirs.
    `helpers` may be asked beside specialists, if the language model chooses. `readings` say what
    was read from an asset: their figures may stand in an answer. With `must_call`, the client does
    not want an answer to which no tool contributed. `decisions` are those made so far, also if the
    conversation does not end.
    """

    question: Question
    steps: Steps
    max_calls: int
    client_functions: frozenset[str] = frozenset()
    passages: tuple[str, ...] = ()
    helpers: tuple[Helper, ...] = ()
    readings: tuple[str, ...] = ()
    must_call: bool = False
    decisions: list[Decision] = field(default_factory=list)
    _added: list[Mapping[str, Any]] = field(default_factory=list)
    _consulted: list[Consultation] = field(default_factory=list)
    _repeats: int = 0

    async def run(self) -> Outcome:
        """Run the steps until there is an answer. Raises an AppError if there can be none."""
        return replace(await self._run(), consulted=tuple(self._consulted))

    async def _run(self) -> Outcome:
        """Run the steps; the outcome lacks the calls of helpers."""
        direct = direct_tools(self.question, self.max_calls)
        if direct:
            for tool in direct:
                await self._call_directly(tool)
            return await self._phrase()
        may_ask = not self.client_functions and not self.passages and not self.helpers
        asked = tool_to_ask_for(self.question) if may_ask else None
        if asked is not None:
            return self._ask(asked, self.question.extractions[asked.model])
        return await self._let_model_choose()

    async def _let_model_choose(self) -> Outcome:
        """Let the language model call tools until it answers or a bound is reached."""
        callable_tools: tuple[FunctionTool, ...] = (*self.question.tools, *self.helpers)
        while True:
            may_call = self._may_call and self.steps.texts_left > 1  # one is left to answer
            try:
                reply = await self._generate(callable_tools if may_call else ())
            except AppError as error:
                if error.status != _BAD_REQUEST or not may_call:
                    raise
                return await self._without_tools(error)
            if reply is None:
                return self._composed()
            mine = tuple(call for call in reply.calls if call.name in self.client_functions)
            if mine:
                decisions = tuple(self.decisions)
                return Outcome(AnswerOrigin.CLIENT_CALL, reply.text, decisions, mine, "tool_calls")
            if not reply.calls or not may_call:
                return await self._answer(reply)
            self._added.append(call_message(reply.calls, reply.text))
            for call in reply.calls:
                asked = await self._execute(call)
                if asked is not None:
                    return asked

    async def _without_tools(self, error: AppError) -> Outcome:
        """Answer if the language model's engine takes no tools: ask for inputs, or do without.

        Raises the engine's error if a tool must be called.
        """
        stated = [
            tool
            for tool in self.question.tools
            if any(self.question.extractions[tool.model].rows) and self.question.missing(tool)
        ]
        if stated:
            return self._ask(stated[0], self.question.extractions[stated[0].model])
        if self.must_call:
            raise error
        reply = await self._generate(())
        return self._composed() if reply is None else await self._answer(reply)

    @property
    def _may_call(self) -> bool:
        """Whether a further call of a specialist or helper is allowed."""
        calls = len(self.decisions) + len(self._consulted)
        is_allowed = calls < self.max_calls and self._repeats <= _MAX_REPEATS
        return is_allowed and self.steps.can_go_on

    async def _execute(self, call: ToolCall) -> Outcome | None:
        """Execute a call and add its result; returns the end if inputs must be asked for."""
        tool = tools_named(self.question.tools).get(call.name)
        helper = next((one for one in self.helpers if one.name == call.name), None)
        if tool is None and helper is not None:
            await self._consult(helper, call)
            return None
        if tool is None:
            self._repeats += 1
            self._add_result(call, error_text("There is no such tool."))
            return None
        extraction = merge_arguments(
            self.question.extractions[tool.model],
            tool.fields,
            parse_arguments(call.arguments),
            self.question.texts,
        )
        if self.question.missing(tool, extraction):
            if not self.decisions:
                return self._ask(tool, extraction)
            missing = ", ".join(one.name for one in self.question.missing(tool, extraction))
            self._repeats += 1
            self._add_result(call, error_text(f"The request does not state: {missing}."))
            return None
        known = self._find_known(tool, extraction.rows)
        if known is not None:
            self._repeats += 1
            self._add_result(call, result_text(known, self.question.language))
        elif not self._may_call:
            self._repeats += 1
            self._add_result(call, error_text("The limit of calls is reached."))
        else:
            decision = await self._predict(tool, extraction.rows)
            self._add_result(call, result_text(decision, self.question.language))
        return None

    async def _consult(self, helper: Helper, call: ToolCall) -> None:
        """Ask a helper and add its answer; the same question is asked once."""
        asked = helper.asked_text(parse_arguments(call.arguments))
        same = (one for one in self._consulted if (one.helper, one.asked) == (helper, asked))
        known = next(same, None)
        if known is None and asked and self._may_call:
            known = await self.steps.consult(helper, asked)
            self._consulted.append(known)
            self._add_result(call, consultation_text(known))
            return
        self._repeats += 1
        if known is not None:
            self._add_result(call, consultation_text(known))
        else:
            message = "The limit of calls is reached." if asked else "The call has no text."
            self._add_result(call, error_text(message))

    def _find_known(self, tool: SpecialistTool, rows: tuple[Row, ...]) -> Decision | None:
        """Return the decision of the same call before, None if there was none."""
        return next(
            (
                one
                for one in self.decisions
                if one.tool.model == tool.model and _same(one.inputs, rows)
            ),
            None,
        )

    def _add_result(self, call: ToolCall, content: str) -> None:
        """Add a call's result to the messages."""
        self._added.append(result_message(call, content))

    async def _call_directly(self, tool: SpecialistTool) -> None:
        """Call a specialist with what the text states, and add call and result."""
        decision = await self._predict(tool, self.question.extractions[tool.model].rows)
        call = ToolCall(f"call_{len(self.decisions)}", tool.name, direct_arguments(decision))
        self._added.append(call_message((call,)))
        self._add_result(call, result_text(decision, self.question.language))

    async def _predict(self, tool: SpecialistTool, rows: tuple[Row, ...]) -> Decision:
        """Call a specialist and keep its decision."""
        prediction = await self.steps.predict(tool, rows)
        newest = self.question.texts[-1] if self.question.texts else ""
        decision = decide(tool, rows, prediction, newest)
        self.decisions.append(decision)
        return decision

    async def _phrase(self) -> Outcome:
        """Let the language model phrase the decisions, or compose the answer."""
        if all(one.prediction.error is not None for one in self.decisions):
            return self._composed()
        reply = await self._generate(())
        return self._composed() if reply is None else await self._answer(reply)

    async def _answer(self, reply: Reply) -> Outcome:
        """Return the model's answer if it may be used, else a second one, else a composed one."""
        if not any(one.findings for one in self.decisions):
            return await self._without_findings(reply)
        problems = self._problems(reply.text)
        if problems and self.steps.can_go_on:
            again = answer_again(problems, self.question.language)
            self._added += [
                {"role": "assistant", "content": reply.text},
                {"role": "user", "content": again},
            ]
            second = await self._generate((), waived=True)
            reply = reply if second is None else second
            problems = self._problems(reply.text)
        if problems:
            return self._composed()
        note = conflict_note(self.decisions, self.question.language)
        text = f"{reply.text}\n{note}" if note else reply.text
        return Outcome(AnswerOrigin.VERIFIED, text, tuple(self.decisions))

    async def _without_findings(self, reply: Reply) -> Outcome:
        """Return an answer that no specialist contributed to."""
        if self.decisions:  # all of them failed: a model's own guess must not take their place
            return self._composed()
        if reply.text.strip() in ("", NO_TOOL_TEXT) and self.steps.texts_left:
            plain = await self._generate(())
            reply = reply if plain is None else plain
        return Outcome(AnswerOrigin.PLAIN, reply.text, finish_reason=reply.finish_reason)

    def _problems(self, text: str) -> tuple[str, ...]:
        """Return why a text about the decisions may not be used."""
        found = [one.text for consulted in self._consulted for one in consulted.passages]
        known = [*self.question.texts, *self.passages, *self.readings, *found]
        return problems_of(text, self.decisions, known)

    async def _generate(self, tools: Sequence[FunctionTool], waived: bool = False) -> Reply | None:
        """Ask the language model; None if it fails and there are decisions to report."""
        is_over = not self.steps.can_go_on or (self.steps.texts_left == 0 and not waived)
        if self.decisions and is_over:
            return None
        try:
            return await self.steps.generate(self._added, tools, waived)
        except AppError:
            if not self.decisions:
                raise
            return None

    def _ask(self, tool: SpecialistTool, extraction: Extraction) -> Outcome:
        """Return the question for a tool's missing inputs."""
        text = question_for_inputs(self.question, tool, extraction)
        missing = tuple(one.name for one in self.question.missing(tool, extraction))
        return Outcome(AnswerOrigin.ASKED, text, tuple(self.decisions), missing=missing)

    def _composed(self) -> Outcome:
        """Return the answer in the gateway's own words."""
        text = composed_answer(self.decisions, self.question.language)
        return Outcome(AnswerOrigin.COMPOSED, text, tuple(self.decisions))


def _same(first: tuple[Row, ...], second: tuple[Row, ...]) -> bool:
    """Return whether two calls have the same inputs."""
    return _values(first) == _values(second)


def _values(rows: tuple[Row, ...]) -> bytes:
    """Return the values of rows in one form."""
    values = [{name: row[name].value for name in sorted(row)} for row in rows]
    return msgspec.json.encode(values)
