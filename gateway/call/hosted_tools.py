"""The hosted specialist tools that a request allows the gateway to call."""

from dataclasses import dataclass

DEFAULT_MAX_CALLS = 4
MAX_CALLS = 16


@dataclass(frozen=True, slots=True)
class HostedTools:
    """What the gateway may call for a request.

    `models` are specialists by public name; empty for all that the key may use. `max_calls` bounds
    their calls. `is_requested` is False if the gateway offers the tool by itself, because the text
    of a request for `auto` asks for a specialist's task. `subject` is what the decision is about,
    such as a machine, for the decision record.
    """

    models: tuple[str, ...] = ()
    max_calls: int = DEFAULT_MAX_CALLS
    is_requested: bool = True
    subject: str | None = None
