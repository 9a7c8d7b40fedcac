"""The request fields of OpenAI's endpoints: what each endpoint does with each of them.

A field that is not in it is refused, so a new field of an engine reaches nobody's model before
somebody has decided about it here. docs/parameters.md and docs/parameters.zh.md list the table; a
test compares them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from gateway.call.errors import ParameterUnknown, ParameterUnsupported
from gateway.call.values import Operation


class Handling(StrEnum):
    """What becomes of a field."""

    SENT = "sent"  # to the model
    USED = "used"  # by the gateway; the model does not see it
    IGNORED = "ignored"  # accepted, without effect: clients send it and it changes no answer
    REFUSED = "refused"  # documented by OpenAI, but ignoring it would change the meaning


@dataclass(frozen=True, slots=True)
class Parameter:
    """A field of one endpoint. Values of `default` mean the same as not sending it, so they are
    accepted even where the field is refused; `hint` follows the refusal."""

    handling: Handling
    default: tuple[str, ...] = ()
    hint: str = ""


_SENT = Parameter(Handling.SENT)
_USED = Parameter(Handling.USED)
_IGNORED = Parameter(Handling.IGNORED)


def _refused(hint: str = "", *default: str) -> Parameter:
    return Parameter(Handling.REFUSED, default, hint)


def _each(parameter: Parameter, names: str) -> dict[str, Parameter]:
    return dict.fromkeys(names.split(), parameter)


_GENERATION = {
    **_each(
        _SENT,
        """model stream max_tokens n temperature top_p presence_penalty frequency_penalty seed stop
        logit_bias logprobs""",
    ),
    # Of vLLM: they change how the next token is chosen, and nothing else.
    **_each(_SENT, "top_k min_p repetition_penalty ignore_eos stop_token_ids"),
    **_each(_USED, "stream_options service_tier"),
    **_each(_IGNORED, "user"),
}

PARAMETERS: Mapping[Operation, Mapping[str, Parameter]] = {
    Operation.CHAT: {
        **_GENERATION,
        **_each(
            _SENT,
            """messages max_completion_tokens top_logprobs response_format tools tool_choice
            parallel_tool_calls""",
        ),
        **_each(
            _IGNORED,
            """metadata prediction prompt_cache_key prompt_cache_options prompt_cache_retention
            safety_identifier""",
        ),
        "store": _refused("Completions are not stored.", "false"),
        "functions": _refused("Use `tools`."),
        "function_call": _refused("Use `tool_choice`.", '"auto"', '"none"'),
        "modalities": _refused("Models answer with text.", '["text"]'),
        "audio": _refused("Models answer with text."),
        "reasoning_effort": _refused("No model here takes it.", '"none"'),
        "verbosity": _refused("No model here takes it.", '"medium"'),
        "web_search_options": _refused("Models do not search the web."),
        "moderation": _refused("Answers are not moderated."),
    },
    Operation.TEXT_COMPLETION: {
        **_GENERATION,
        **_each(_SENT, "prompt echo"),
        "best_of": _refused("Use `n`.", "1"),
        "suffix": _refused("Models do not insert text.", '""'),
    },
    Operation.EMBEDDINGS: {
        **_each(_SENT, "model input encoding_format dimensions"),
        **_each(_IGNORED, "user"),
    },
}


def for_model(operation: Operation, values: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """The fields of a request that go to the model. A null is the same as no field.

    Raises ParameterUnknown, ParameterUnsupported.
    """
    known = PARAMETERS[operation]
    kept = {}
    for name, raw in values.items():
        parameter = known.get(name)
        if parameter is None:
            raise ParameterUnknown.named(name)
        if bytes(raw) == b"null":
            continue
        if parameter.handling is Handling.REFUSED and not _is_default(raw, parameter):
            raise ParameterUnsupported(_refusal(name, parameter), param=name)
        if parameter.handling is Handling.SENT:
            kept[name] = raw
    return kept


def _is_default(raw: msgspec.Raw, parameter: Parameter) -> bool:
    said = msgspec.json.encode(msgspec.json.decode(raw)) if parameter.default else b""
    return said.decode() in parameter.default


def _refusal(name: str, parameter: Parameter) -> str:
    return f"`{name}` is not supported by this endpoint. {parameter.hint}".rstrip()
