"""Messages and tasks of one caller: send, continue, get, list and cancel."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement
from sqlmodel import col, select

from gateway.agents.a2a.commands import APPROVE, REJECT, REPLAY, RUN, Command, read_command
from gateway.agents.a2a.errors import (
    invalid_params,
    push_not_supported,
    task_not_cancelable,
    unsupported,
)
from gateway.agents.a2a.messages import ListParams, Message, SendParams, TaskParams
from gateway.agents.a2a.store import (
    OPEN,
    TaskScope,
    add_task,
    find_by_message,
    find_task,
    list_tasks,
    refresh,
)
from gateway.agents.a2a.views import state_of, task_json
from gateway.agents.public_ids import AGENT, TASK
from gateway.agents.requests.chains import METADATA_KEY, check_chain
from gateway.agents.requests.errors import AgentRunNotCancelable
from gateway.agents.requests.service import is_ended
from gateway.agents.requests.store import cancel_run
from gateway.agents.skills.calls import admit_call, call_skill
from gateway.agents.skills.changing import queue_run
from gateway.agents.skills.parts import SkillParts
from gateway.agents.skills.values import SkillCaller
from gateway.tables.agents_a2a import A2aTask, A2aTaskState, AgentRun
from infra import ids
from infra.errors import AppError

WAIT_S = 30.0
# How often a replay looks whether its task was canceled.
CANCEL_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class A2aTasks:
    """Serves one caller at the address of one agent, or of all (agent None).

    process_id: of this gateway process, by which work that was lost is recognized.
    """

    parts: SkillParts
    caller: SkillCaller
    agent: str | None
    process_id: UUID

    @property
    def scope(self) -> TaskScope:
        """The tasks that are seen here."""
        agent_id = None if self.agent is None else ids.parse_id(AGENT, self.agent)
        return TaskScope(self.caller.principal.account_id, agent_id)

    async def send(self, params: SendParams) -> A2aTask:
        """Return the task of a message, begun by its first delivery.

        Raises A2aError and the errors of the skill; a message that raises leaves no task.
        """
        if params.configuration.task_push_notification_config is not None:
            raise push_not_supported()
        if params.message.task_id:
            return await self._continue(params)
        command = read_command(params.message.parts, self.agent)
        caller, message = self._in_chain(params), params.message
        if command.skill == RUN:
            return await self._begin_run(caller, message, command)
        return await self._answer(caller, message, command)

    async def wait(self, task: A2aTask, seconds: float = WAIT_S) -> A2aTask:
        """Return a task once its run has ended, or as it is after `seconds`."""
        if task.run_id is None or task.state not in OPEN:
            return task
        async with self.parts.database.transaction() as session:
            run = await session.get_one(AgentRun, task.run_id)
        if not is_ended(run):
            await self.parts.runs.wait(run, seconds)
        return await self.get(ids.format_id(TASK, task.id))

    async def get(self, task: str) -> A2aTask:
        """Return a task as it is now. Raises A2aError."""
        async with self.parts.database.transaction() as session:
            return await find_task(session, self.scope, task, self.parts.clock.now())

    async def list(self, params: ListParams) -> dict[str, Any]:
        """Return a page of tasks, the newest first. Raises A2aError."""
        filters = _filters(params)
        before = ids.parse_id(TASK, params.page_token) if params.page_token else None
        if params.page_token and before is None:
            raise invalid_params("`pageToken` must be that of a page.", "pageToken")
        async with self.parts.database.transaction() as session:
            rows, total = await list_tasks(
                *(session, self.scope, self.parts.clock.now(), filters),
                *(params.page_size + 1, before),
            )
        shown = rows[: params.page_size]
        more = len(rows) > params.page_size
        return {
            "tasks": [
                task_json(row, params.history_length, with_artifacts=params.include_artifacts)
                for row in shown
            ],
            "nextPageToken": ids.format_id(TASK, shown[-1].id) if more else "",
            "pageSize": len(shown),
            "totalSize": total,
        }

    async def cancel(self, params: TaskParams) -> A2aTask:
        """Cancel a task that has not begun or waits for approval, or a replay. Raises A2aError.

        Proposals stay open: they can still be decided otherwise.
        """
        now = self.parts.clock.now()
        await self.parts.request_limits.count_request(self.caller.principal.quotas)
        async with self.parts.database.transaction() as session:
            row = await find_task(session, self.scope, params.id, now, is_locked=True)
            if row.state == A2aTaskState.SUBMITTED and row.run_id is not None:
                try:
                    await cancel_run(session, row.account_id, row.run_id, now)
                except AgentRunNotCancelable as error:
                    raise task_not_cancelable(A2aTaskState.WORKING) from error
                await refresh(session, row, now)
            elif row.state == A2aTaskState.INPUT_REQUIRED or _is_replaying(row):
                row.state, row.updated_at = A2aTaskState.CANCELED, now
            else:
                raise task_not_cancelable(row.state)
        return row

    def _in_chain(self, params: SendParams) -> SkillCaller:
        """Return the caller with the chain of its header, or else of the message's metadata."""
        if self.caller.chain:
            return self.caller
        stated = params.message.metadata.get(METADATA_KEY, params.metadata.get(METADATA_KEY, []))
        return replace(self.caller, chain=check_chain(stated))

    async def _begin_run(self, caller: SkillCaller, message: Message, command: Command) -> A2aTask:
        """Queue a run and add its task in one transaction, once by message."""
        row = self._row(message, command, A2aTaskState.SUBMITTED)
        if (earlier := await self._earlier(row)) is not None:
            return earlier
        await admit_call(self.parts, caller, RUN, command.arguments.get("agent"))
        keyed = replace(caller, request_key=f"a2a:{row.id.hex}")
        async with self.parts.database.transaction() as session:
            # A message that arrives twice at once waits here for its first delivery.
            stored = row if await add_task(session, row) else None
            if stored is not None:
                run = await queue_run(self.parts, session, keyed, command.arguments)
                stored = await session.get_one(A2aTask, row.id)
                stored.run_id, stored.agent_id = run.id, run.agent_id
                await refresh(session, stored, self.parts.clock.now())
        if stored is None:
            return await self._earlier(row) or row
        self.parts.runs.wake()
        return stored

    async def _answer(self, caller: SkillCaller, message: Message, command: Command) -> A2aTask:
        """Call a skill that answers at once, once by message."""
        row = self._row(message, command, A2aTaskState.WORKING)
        async with self.parts.database.transaction() as session:
            is_new = await add_task(session, row)
        if not is_new:
            return await self._earlier(row) or row
        try:
            answer = await self._called(caller, row, command)
        except AppError:
            await self._forget(row)
            raise
        async with self.parts.database.transaction() as session:
            stored = await session.get_one(A2aTask, row.id, with_for_update=True)
            if stored.state == A2aTaskState.WORKING and answer is not None:
                stored.result = _stored(answer)
                stored.state, stored.updated_at = A2aTaskState.COMPLETED, self.parts.clock.now()
        return stored

    async def _called(
        self, caller: SkillCaller, row: A2aTask, command: Command
    ) -> Mapping[str, Any] | None:
        """Return what a skill answers, None for a replay whose task was canceled meanwhile.

        The cancellation may come to another process, so the task is read from the database.
        """
        calling = asyncio.create_task(
            call_skill(self.parts, caller, command.skill, command.arguments)
        )
        try:
            while _is_replaying(row) and not calling.done():
                done, _ = await asyncio.wait({calling}, timeout=CANCEL_POLL_S)
                if not done and await self._is_canceled(row):
                    return None
            return await calling
        finally:
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)

    async def _is_canceled(self, row: A2aTask) -> bool:
        """Return whether somebody canceled a task."""
        query = select(A2aTask.state).where(
            col(A2aTask.account_id) == row.account_id, col(A2aTask.id) == row.id
        )
        async with self.parts.database.transaction() as session:
            return (await session.scalars(query)).one() == A2aTaskState.CANCELED

    async def _continue(self, params: SendParams) -> A2aTask:
        """Decide about the proposals that a task waits for. Raises A2aError, AgentActionClosed."""
        message = params.message
        task = await self.get(message.task_id)
        if message.context_id and message.context_id != task.context_id:
            raise invalid_params("`contextId` is not that of the task.", "message.contextId")
        proposed = {
            one["id"]
            for one in (task.result or {}).get("actions", ())
            if one["status"] == "proposed"
        }
        if task.state != A2aTaskState.INPUT_REQUIRED:
            raise unsupported(f"The task is `{task.state}`: it waits for no message.")
        command = read_command(message.parts, None)
        if command.skill not in (APPROVE, REJECT):
            raise invalid_params("Send `approve` or `reject`, for all or with an action.", "skill")
        named = command.arguments.get("action")
        if named is not None and named not in proposed:
            raise invalid_params("The task does not wait for this action.", "action")
        caller = self._in_chain(params)
        for action in sorted(proposed) if named is None else [named]:
            await call_skill(self.parts, caller, command.skill, {"action": action})
        return await self.get(message.task_id)

    async def _earlier(self, row: A2aTask) -> A2aTask | None:
        """Return the task of the same message. Raises A2aError if it asked for something else."""
        async with self.parts.database.transaction() as session:
            found = await find_by_message(session, row.key_id, row.message_id)
            if found is None:
                return None
            if found.request_hash != row.request_hash:
                raise invalid_params(
                    "The `messageId` was used for another message.", "message.messageId"
                )
            await refresh(session, found, self.parts.clock.now())
            return found

    async def _forget(self, row: A2aTask) -> None:
        """Delete the task of a message that was refused, so that it can be sent again."""
        async with self.parts.database.transaction() as session:
            await session.delete(await session.get_one(A2aTask, row.id))

    def _row(self, message: Message, command: Command, state: A2aTaskState) -> A2aTask:
        """Return the task of a message."""
        now, sent = self.parts.clock.now(), msgspec.to_builtins(message)
        asked = [self.agent, command.skill, command.arguments, message.context_id]
        return A2aTask(
            id=ids.new_id(),
            account_id=self.caller.principal.account_id,
            agent_id=self.scope.agent_id,
            key_id=self.caller.principal.key_id,
            context_id=message.context_id or ids.new_id().hex,
            message_id=message.message_id,
            request_hash=_digest(asked),
            message=sent,
            skill=command.skill,
            state=state,
            process_id=self.process_id,
            created_at=now,
            updated_at=now,
        )


def _is_replaying(row: A2aTask) -> bool:
    """Return whether a task is a replay that goes on: it changes nothing and may be canceled."""
    return row.skill == REPLAY and row.state == A2aTaskState.WORKING


def _filters(params: ListParams) -> list[ColumnElement[bool]]:
    """Return the conditions of a list. Raises A2aError for an unknown state."""
    found: list[ColumnElement[bool]] = []
    if params.context_id:
        found.append(col(A2aTask.context_id) == params.context_id)
    if params.status:
        state = state_of(params.status)
        if state is None:
            raise invalid_params("`status` must be a state of tasks here.", "status")
        found.append(col(A2aTask.state) == state)
    return found


def _digest(asked: object) -> str:
    """Return the hash of what a message asks for."""
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()


def _stored(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer as it is stored: tuples become lists."""
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer))
    return decoded
