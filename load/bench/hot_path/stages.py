"""The stages of a plain call: the functions that are measured, and how they are nested."""

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.access.authenticator import Authenticator
from gateway.asgi.exchange import ClientExchange
from gateway.asgi.server_protocol import BoundedHttpProtocol
from gateway.inference.admission import Admission
from gateway.inference.dispatch import Dispatcher
from gateway.inference.finishing import CallFinisher
from gateway.inference.parsing import Parser
from gateway.inference.pipeline import Pipeline
from gateway.inference.relay import Relay
from gateway.inference.usage.writer import UsageWriter
from gateway.upstream.http1 import Connection

# Calls a function with arguments as part of a stage.
Run = Callable[..., Any]
NO_STAGE = -1


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: a method, and the number of the stage that calls it, NO_STAGE if the loop does."""

    name: str
    owner: type
    method: str
    parent: int = NO_STAGE


STAGES = (
    Stage("server: read and parse the request", BoundedHttpProtocol, "data_received"),
    Stage("framework: task and routing", RequestResponseCycle, "run_asgi"),
    Stage("pipeline", Pipeline, "serve", 1),
    Stage("authenticate", Authenticator, "identify_call", 2),
    Stage("parse the body", Parser, "parse", 2),
    Stage("admit", Admission, "try_admit", 2),
    Stage("dispatch: choose a server", Dispatcher, "send", 2),
    Stage("relay: send and read", Relay, "send", 6),
    Stage("upstream: parse the response", Connection, "data_received"),
    Stage("finish: usage row, headers, metrics", CallFinisher, "finish", 2),
    Stage("write the response", ClientExchange, "finish", 9),
    Stage("commit", UsageWriter, "_commit"),
)


def install(run_of: Callable[[int], Run]) -> Callable[[], None]:
    """Run the method of each stage through its `run_of`; returns a function that undoes this."""
    originals = [getattr(stage.owner, stage.method) for stage in STAGES]
    for number, (stage, original) in enumerate(zip(STAGES, originals, strict=True)):
        setattr(stage.owner, stage.method, _wrapped(original, run_of(number)))

    def undo() -> None:
        for stage, original in zip(STAGES, originals, strict=True):
            setattr(stage.owner, stage.method, original)

    return undo


def own_costs(inclusive: list[float]) -> list[float]:
    """Return the cost of each stage without the stages that it calls."""
    own = list(inclusive)
    for number, stage in enumerate(STAGES):
        if stage.parent != NO_STAGE:
            own[stage.parent] -= inclusive[number]
    return own


def _wrapped(original: Callable[..., Any], run: Run) -> Callable[..., Any]:
    if iscoroutinefunction(original):

        async def wrapped_coroutine(*arguments: Any, **named: Any) -> Any:
            return await _Steps(original(*arguments, **named), run)

        return wrapped_coroutine

    def wrapped(*arguments: Any) -> Any:
        return run(original, *arguments)

    return wrapped


class _Steps(Awaitable[Any]):
    """A coroutine whose steps, from one suspension to the next, run as part of a stage."""

    def __init__(self, coroutine: Any, run: Run) -> None:
        self._coroutine, self._run = coroutine, run

    def __await__(self) -> Generator[Any, Any, Any]:
        step, value = self._coroutine.send, None
        while True:
            try:
                pending = self._run(step, value)
            except StopIteration as end:
                return end.value
            try:
                step, value = self._coroutine.send, (yield pending)
            except BaseException as error:
                step, value = self._coroutine.throw, error
