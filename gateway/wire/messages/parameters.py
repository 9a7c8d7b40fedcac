"""The request fields of `/v1/messages` and how each is handled (gateway/wire/parameters.py)."""

from collections.abc import Mapping

from gateway.wire.parameters import Handling, Parameter

_SENT, _USED = Parameter(Handling.SENT), Parameter(Handling.USED)
# Hints for a provider's cache, region or accounting: they change no answer.
_IGNORED = Parameter(Handling.IGNORED)

MESSAGES_PARAMETERS: Mapping[str, Parameter] = {
    **dict.fromkeys(
        """model messages system max_tokens stream stop_sequences temperature top_p top_k tools
        tool_choice""".split(),
        _SENT,
    ),
    **dict.fromkeys("thinking output_config service_tier".split(), _USED),
    **dict.fromkeys(
        "metadata cache_control context_management diagnostics inference_geo speed "
        "user_profile_id".split(),
        _IGNORED,
    ),
    "container": Parameter(Handling.REFUSED, hint="There are no containers."),
    "mcp_servers": Parameter(
        Handling.REFUSED, ("[]",), "Connect your client to the MCP servers, and send their tools."
    ),
}
