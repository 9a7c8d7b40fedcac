"""The request fields of `/v1/responses`, and how the gateway handles each of them.

docs/parameters-responses.md and its Chinese page list this table; a test compares them.
"""

from collections.abc import Mapping

from gateway.wire.parameters import Handling, Parameter

_SENT = "model stream temperature top_p parallel_tool_calls"
_USED = """input instructions stream_options max_output_tokens max_tool_calls metadata text
    reasoning tools tool_choice include top_logprobs store previous_response_id
    background service_tier"""
_IGNORED = """user safety_identifier prompt_cache_key prompt_cache_options
    prompt_cache_retention"""
_REFUSED = {
    "truncation": ("Shorten the input.", "disabled"),
    "conversation": ("Use `previous_response_id`.", None),
    "prompt": ("Prompt templates are not supported.", None),
    "context_management": ("Shorten the input.", None),
    "moderation": ("Moderation is not supported.", None),
    "background_options": ("Background responses start as soon as possible.", None),
    "access_programs": ("", None),
    "image": ("Only text output is supported.", None),
}

RESPONSES_PARAMETERS: Mapping[str, Parameter] = {
    **dict.fromkeys(_SENT.split(), Parameter(Handling.SENT)),
    **dict.fromkeys(_USED.split(), Parameter(Handling.USED)),
    **dict.fromkeys(_IGNORED.split(), Parameter(Handling.IGNORED)),
    **{
        name: Parameter(Handling.REFUSED, () if only is None else (f'"{only}"',), hint)
        for name, (hint, only) in _REFUSED.items()
    },
}
