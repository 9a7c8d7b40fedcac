"""The request fields of OpenAI's endpoints, and how each endpoint handles each field.

A field that is not in an endpoint's table is rejected, so that a new field of an engine stays
unreachable until it is added here. docs/parameters.md and docs/parameters.zh.md list the tables; a
test compares them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from gateway.call.errors import ParameterUnknown, ParameterUnsupported


class Handling(StrEnum):
    """How an endpoint handles a request field."""

    SENT = "sent"  # to the model
    USED = "used"  # by the gateway; the model does not see it
    IGNORED = "ignored"  # accepted, without effect: clients send it and it changes no answer
    REFUSED = "refused"  # documented by OpenAI, but ignoring it would change the meaning


@dataclass(frozen=True, slots=True)
class Parameter:
    """A request field of one endpoint.

    Values in `default` (as JSON) equal an absent field, so they are accepted even for a refused
    field. `hint` is appended to the error message of a refused field.
    """

    handling: Handling
    default: tuple[str, ...] = ()
    hint: str = ""


_SENT = Parameter(Handling.SENT)
_USED = Parameter(Handling.USED)
_IGNORED = Parameter(Handling.IGNORED)


def _refused_parameter(hint: str = "", *default: str) -> Parameter:
    """Return a refused field; `default` are the JSON values accepted all the same."""
    return Parameter(Handling.REFUSED, default, hint)


def _same_handling(parameter: Parameter, names: str) -> dict[str, Parameter]:
    """Map each of these names, which are separated by blanks, to the parameter."""
    return dict.fromkeys(names.split(), parameter)


_GENERATION = {
    **_same_handling(
        _SENT,
        """model stream max_tokens n temperature top_p presence_penalty frequency_penalty seed stop
        logit_bias logprobs""",
    ),
    # vLLM's extensions: they change only the sampling of the next token.
    **_same_handling(_SENT, "top_k min_p repetition_penalty ignore_eos stop_token_ids"),
    **_same_handling(_USED, "stream_options service_tier"),
    **_same_handling(_IGNORED, "user"),
}

CHAT_PARAMETERS: Mapping[str, Parameter] = {
    **_GENERATION,
    **_same_handling(
        _SENT,
        """messages max_completion_tokens top_logprobs response_format tools tool_choice
            parallel_tool_calls""",
    ),
    **_same_handling(
        _IGNORED,
        """metadata prediction prompt_cache_key prompt_cache_options prompt_cache_retention
            safety_identifier""",
    ),
    "reasoning_effort": _USED,
    "store": _refused_parameter("Completions are not stored.", "false"),
    "functions": _refused_parameter("Use `tools`."),
    "function_call": _refused_parameter("Use `tool_choice`.", '"auto"', '"none"'),
    "modalities": _refused_parameter("Only text output is supported.", '["text"]'),
    "audio": _refused_parameter("Only text output is supported."),
    "verbosity": _refused_parameter("No model supports it.", '"medium"'),
    "web_search_options": _refused_parameter("Web search is not supported."),
    "moderation": _refused_parameter("Moderation is not supported."),
}
COMPLETION_PARAMETERS: Mapping[str, Parameter] = {
    **_GENERATION,
    **_same_handling(_SENT, "prompt echo"),
    "best_of": _refused_parameter("Use `n`.", "1"),
    "suffix": _refused_parameter("Text insertion is not supported.", '""'),
}
EMBEDDING_PARAMETERS: Mapping[str, Parameter] = {
    **_same_handling(_SENT, "model input encoding_format dimensions"),
    **_same_handling(_IGNORED, "user"),
}


def select_upstream_fields(
    parameters: Mapping[str, Parameter], values: Mapping[str, msgspec.Raw]
) -> dict[str, msgspec.Raw]:
    """Return the fields of a request that are sent to the model; null equals an absent field.

    `parameters` are the endpoint's.

    Raises ParameterUnknown, ParameterUnsupported.
    """
    sent = {}
    for name, raw in values.items():
        parameter = parameters.get(name)
        if parameter is None:
            raise ParameterUnknown.for_name(name)
        if bytes(raw) == b"null":
            continue
        if parameter.handling is Handling.REFUSED and not _is_default(raw, parameter):
            raise ParameterUnsupported(_refusal_message(name, parameter), param=name)
        if parameter.handling is Handling.SENT:
            sent[name] = raw
    return sent


def _is_default(raw: msgspec.Raw, parameter: Parameter) -> bool:
    """Return whether a value equals one of the parameter's defaults, compared as JSON."""
    normalized = msgspec.json.encode(msgspec.json.decode(raw)) if parameter.default else b""
    return normalized.decode() in parameter.default


def _refusal_message(name: str, parameter: Parameter) -> str:
    """Return the error message for a refused field, with the parameter's hint."""
    return f"`{name}` is not supported by this endpoint. {parameter.hint}".rstrip()
