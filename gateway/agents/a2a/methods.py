"""The methods of the protocol: each request is answered with one result or a stream of events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from gateway.agents.a2a.cards import account_card
from gateway.agents.a2a.errors import (
    A2aError,
    method_not_found,
    push_not_supported,
    unsupported,
)
from gateway.agents.a2a.messages import ListParams, SendParams, TaskParams, read_params
from gateway.agents.a2a.store import OPEN
from gateway.agents.a2a.tasks import A2aTasks
from gateway.agents.a2a.views import artifact_event, status_event, task_json
from gateway.agents.public_ids import TASK
from gateway.agents.store.agents import list_agents
from gateway.tables.agents_a2a import A2aTask, A2aTaskState
from infra import ids

STREAMS = ("SendStreamingMessage", "SubscribeToTask")
# A stream ends after this time; the caller subscribes again if the task has not ended.
_MAX_STREAM_S, _LOOK_EVERY_S = 120.0, 0.4
_MAX_LISTED_AGENTS = 100
_MOVING = (A2aTaskState.SUBMITTED, A2aTaskState.WORKING)
Params = Mapping[str, Any]


async def answer(tasks: A2aTasks, method: str, params: Params, base: str) -> dict[str, Any]:
    """Return the result of a method. base: the address of the service. Raises A2aError."""
    if method == "GetExtendedAgentCard":
        return await _extended_card(tasks, base)
    if method in _PUSH:
        raise push_not_supported()
    handler = _HANDLERS.get(method)
    if handler is None:
        raise method_not_found(method)
    return await handler(tasks, params)


async def open_stream(
    tasks: A2aTasks, method: str, params: Params
) -> AsyncIterator[dict[str, Any]]:
    """Return the events of a task, which has begun when this returns. Raises A2aError."""
    if method == "SendStreamingMessage":
        asked = read_params(params, SendParams)
        length = asked.configuration.history_length
        return _events(tasks, await tasks.send(asked), length)
    wanted = read_params(params, TaskParams)
    task = await tasks.get(wanted.id)
    if task.state not in OPEN:
        raise unsupported(f"The task is `{task.state}`: it changes no more. Get it instead.")
    return _events(tasks, task, wanted.history_length)


async def _events(
    tasks: A2aTasks, task: A2aTask, history_length: int | None
) -> AsyncIterator[dict[str, Any]]:
    """Yield a task, then its changes until it ends or waits for approval."""
    yield {"task": task_json(task, history_length)}
    clock, state = tasks.parts.clock, task.state
    until = clock.monotonic() + _MAX_STREAM_S
    while state in _MOVING and clock.monotonic() < until:
        await asyncio.sleep(_LOOK_EVERY_S)
        task = await tasks.get(ids.format_id(TASK, task.id))
        if task.state == state:
            continue
        state = task.state
        if state not in _MOVING and task.result is not None:
            yield artifact_event(task)
        yield status_event(task)


async def _send(tasks: A2aTasks, params: Params) -> dict[str, Any]:
    """Answer SendMessage: with the ended task, unless the caller does not want to wait."""
    asked = read_params(params, SendParams)
    task = await tasks.send(asked)
    if not asked.configuration.return_immediately:
        task = await tasks.wait(task)
    return {"task": task_json(task, asked.configuration.history_length)}


async def _get(tasks: A2aTasks, params: Params) -> dict[str, Any]:
    """Answer GetTask."""
    wanted = read_params(params, TaskParams)
    return task_json(await tasks.get(wanted.id), wanted.history_length)


async def _list(tasks: A2aTasks, params: Params) -> dict[str, Any]:
    """Answer ListTasks."""
    return await tasks.list(read_params(params, ListParams))


async def _cancel(tasks: A2aTasks, params: Params) -> dict[str, Any]:
    """Answer CancelTask."""
    return task_json(await tasks.cancel(read_params(params, TaskParams)))


async def _extended_card(tasks: A2aTasks, base: str) -> dict[str, Any]:
    """Answer GetExtendedAgentCard: the account's newest agents."""
    if tasks.agent is not None:
        raise A2aError(
            -32007, "EXTENDED_AGENT_CARD_NOT_CONFIGURED", "The card of an agent is complete."
        )
    account_id = tasks.caller.principal.account_id
    async with tasks.parts.database.transaction() as session:
        rows = await list_agents(session, account_id, _MAX_LISTED_AGENTS, None)
    return account_card(base, rows)


_HANDLERS: Mapping[str, Callable[[A2aTasks, Params], Awaitable[dict[str, Any]]]] = {
    "SendMessage": _send,
    "GetTask": _get,
    "ListTasks": _list,
    "CancelTask": _cancel,
}
_PUSH = (
    *("CreateTaskPushNotificationConfig", "GetTaskPushNotificationConfig"),
    *("ListTaskPushNotificationConfigs", "DeleteTaskPushNotificationConfig"),
)
METHODS = frozenset({*_HANDLERS, *_PUSH, *STREAMS, "GetExtendedAgentCard"})
