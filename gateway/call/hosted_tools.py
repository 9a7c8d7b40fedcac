"""The hosted tools that a request allows the gateway to call: specialists, the plant graph."""

from dataclasses import dataclass

DEFAULT_MAX_CALLS = 4
MAX_CALLS = 16
MAX_SUBJECT = 128


@dataclass(frozen=True, slots=True)
class HostedTools:
    """What the gateway may call for a request.

    `models` are specialists by public name; empty for all that the key may use. `max_calls` bounds
    their calls. `is_requested` is False if the gateway offers the tool by itself, because the text
    of a request for `auto` asks for a specialist's task. `subject` is what the decision is about,
    such as a machine, for the decision record. `asset` is the asset of the plant model, by id or
    code, whose readings are inputs; None if the text may name one. `specialists` and `plant_graph`
    are the tools. With `must_call`, the language model must call a tool before it answers, and with
    `function` this one. Without `parallel_calls`, it makes at most one call in each step.
    """

    models: tuple[str, ...] = ()
    max_calls: int = DEFAULT_MAX_CALLS
    is_requested: bool = True
    subject: str | None = None
    asset: str | None = None
    specialists: bool = True
    plant_graph: bool = False
    must_call: bool = False
    function: str | None = None
    parallel_calls: bool = True
