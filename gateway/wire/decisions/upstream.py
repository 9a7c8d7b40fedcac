"""Upstream requests of a decision: one chat per order of a question's options.

A decision is admitted as a whole, by the texts of all its prompts; the body of each chat is built
when it is sent.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace

import msgspec

from gateway.call.decisions import AskedQuestion, DecisionPrompts, DecisionRequest
from gateway.call.values import OutputBounds, ParsedRequest, ResolvedModel
from gateway.wire import body as bodies
from gateway.wire.generation import JSON_HEADERS
from gateway.wire.usage import measure_response
from models.decision_calibration.ballots import Order, both_orders, split_into_groups
from models.decision_calibration.logprobs import first_token_request
from models.decision_calibration.prompts import (
    SYSTEM,
    Message,
    render_input,
    render_question,
)
from models.decision_calibration.questions import QuestionKind, TypedQuestion

CHAT_PATH = "/v1/chat/completions"


def text_request(
    decision: DecisionRequest, resolved: ResolvedModel, questions: Sequence[AskedQuestion]
) -> ParsedRequest:
    """Return the request that stands for all chats of these questions, with their bounds."""
    return with_text_questions(
        ParsedRequest(
            model=resolved.model,
            path=CHAT_PATH,
            body=b"",
            headers=JSON_HEADERS,
            measure=measure_response,
            variant_id=resolved.variant_id,
            decision=replace(
                decision,
                upstream_name=resolved.upstream_name,
                public_name=resolved.public_name,
            ),
        ),
        questions,
    )


def with_text_questions(
    request: ParsedRequest,
    questions: Sequence[AskedQuestion],
    with_prior: Container[QuestionKind] = (),
) -> ParsedRequest:
    """Return the request with the prompts and bounds of these questions; there may be none.

    Questions of a type in `with_prior` are also asked without the input, in shorter prompts.
    """
    decision = request.decision
    if decision is None:
        raise ValueError("The request is no decision.")
    typed = [asked.typed for asked in questions]
    typed += [question for question in typed if question.kind in with_prior]
    ends = tuple(end for question in typed for end in _prompt_ends(question))
    prompts = DecisionPrompts(render_input(decision.context), ends)
    bounds = OutputBounds(
        max_tokens_per_choice=1 if ends else 0, choices=len(ends) or 1, is_client_limited=True
    )
    return replace(request, output_bounds=bounds, decision=replace(decision, prompts=prompts))


def ballot_request(
    request: ParsedRequest, shared: str, question: TypedQuestion, order: Sequence[int]
) -> ParsedRequest:
    """Return the chat that asks a question of the decision with its options in this order.

    `shared` is the start of the prompt with the input.
    """
    decision = request.decision
    if decision is None:
        raise ValueError("The request is no decision.")
    messages = prompt_messages(shared, render_question(question, order))
    body = bodies.encode_body(first_token_request(decision.upstream_name, messages))
    return replace(request, body=body, output_bounds=OutputBounds(1), decision=None)


def prompt_messages(shared: str, end: str) -> list[Message]:
    """Return the messages of a prompt."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": shared + end}]


def empty_prompt_size() -> int:
    """Return the bytes of a chat body whose prompt has no input and no question."""
    return len(msgspec.json.encode(first_token_request("", prompt_messages("", ""))))


def _prompt_ends(question: TypedQuestion) -> Iterator[str]:
    """Yield the rest of each prompt of a question.

    Which options reach the final round is not known yet: the longest of each group stand for them.
    """
    groups = split_into_groups(len(question.options))
    for group in groups:
        yield from (render_question(question, order) for order in both_orders(group))
    if len(groups) > 1:
        finalists: Order = tuple(
            max(group, key=lambda index: len(_option_bytes(question, index))) for group in groups
        )
        yield from (render_question(question, order) for order in both_orders(finalists))


def _option_bytes(question: TypedQuestion, index: int) -> bytes:
    """Return an option's text and description in UTF-8."""
    option = question.options[index]
    return f"{option.text}{option.description}".encode(errors="replace")
