"""`reasoning_effort` of a chat: whether the model reasons before it answers, and for how long.

Reasoning is off unless the request asks for it. A model that reasons gets the effort and a token
budget, after which the engine ends its reasoning and the answer begins.
"""

from collections.abc import Mapping

import msgspec

from gateway.call.errors import ParameterInvalid, ParameterUnsupported
from models.catalog import Model
from models.reasoning import REQUESTED_EFFORTS, ReasoningEffort

EFFORT_FIELD = "reasoning_effort"
# vLLM's field (SamplingParams.thinking_token_budget).
BUDGET_FIELD = "thinking_token_budget"
# The rest of a limited output is for the answer: without it a client that sets a low limit would
# get thoughts only.
_MAX_SHARE_PERCENT = 75


def parse_effort(value: str | None) -> ReasoningEffort | None:
    """Parse a request's `reasoning_effort`. Raises ParameterInvalid that lists the values."""
    if value is None:
        return None
    if value not in REQUESTED_EFFORTS:
        raise ParameterInvalid(
            f"`{EFFORT_FIELD}` must be one of {', '.join(REQUESTED_EFFORTS)}.", param=EFFORT_FIELD
        )
    return REQUESTED_EFFORTS[value]


def reasoning_fields(
    model: Model, effort: ReasoningEffort | None, max_tokens: int | None
) -> dict[str, msgspec.Raw]:
    """Return the upstream fields that turn reasoning on with a budget, or off.

    `max_tokens` is the limit of output tokens per choice, None without a limit. Empty for a model
    that cannot reason. Raises ParameterUnsupported if the effort asks such a model to reason.
    """
    is_requested = effort is not None and effort.reasons
    if not model.reasoning:
        if is_requested:
            raise ParameterUnsupported(
                f"The model {model.id!r} does not reason. Omit `{EFFORT_FIELD}` or set it to "
                '"none".',
                param=EFFORT_FIELD,
            )
        return {}
    if effort is None or not is_requested:
        # Sent, because a model of another server may reason by default.
        return {EFFORT_FIELD: _encode(ReasoningEffort.NONE.value)}
    budget = limited_budget(model.reasoning[effort.value], max_tokens)
    return {EFFORT_FIELD: _encode(effort.value), BUDGET_FIELD: _encode(budget)}


def without_own_fields(fields: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """Return upstream fields for other servers than our own: the effort only, if reasoning is on.

    The budget is vLLM's field. Many servers refuse the effort `none`; without an effort, they
    decide whether the model reasons.
    """
    off = _encode(ReasoningEffort.NONE.value)
    omitted = {BUDGET_FIELD, EFFORT_FIELD} if fields.get(EFFORT_FIELD) == off else {BUDGET_FIELD}
    return {name: value for name, value in fields.items() if name not in omitted}


def limit_reasoning(
    fields: Mapping[str, msgspec.Raw], max_tokens: int
) -> Mapping[str, msgspec.Raw]:
    """Return upstream fields whose reasoning budget leaves room for an answer in `max_tokens`."""
    budget = fields.get(BUDGET_FIELD)
    if budget is None:
        return fields
    limited = limited_budget(msgspec.json.decode(budget, type=int), max_tokens)
    return {**fields, BUDGET_FIELD: _encode(limited)}


def limited_budget(budget: int, max_tokens: int | None) -> int:
    """Return the budget of reasoning tokens, at most three quarters of the output tokens."""
    return budget if max_tokens is None else min(budget, max_tokens * _MAX_SHARE_PERCENT // 100)


def _encode(value: str | int) -> msgspec.Raw:
    """Return a value as JSON."""
    return msgspec.Raw(msgspec.json.encode(value))
