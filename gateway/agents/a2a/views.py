"""Tasks in the protocol's JSON: state, artifact with the result, and the message that asked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.agents.public_ids import TASK
from gateway.agents.requests.chains import METADATA_KEY
from gateway.agents.skills.values import SKILLS
from gateway.tables.agents_a2a import A2aTask, A2aTaskState
from infra import ids

_PREFIX, _JSON = "TASK_STATE_", "application/json"


def task_json(
    row: A2aTask, history_length: int | None = None, *, with_artifacts: bool = True
) -> dict[str, Any]:
    """Return a task. history_length: 0 leaves out the message that asked."""
    shown: dict[str, Any] = {
        "id": ids.format_id(TASK, row.id),
        "contextId": row.context_id,
        "status": status_json(row),
        "metadata": _metadata(row),
    }
    if with_artifacts and row.result is not None:
        shown["artifacts"] = [artifact_json(row)]
    if history_length is None or history_length > 0:
        shown["history"] = [row.message]
    return shown


def status_json(row: A2aTask) -> dict[str, Any]:
    """Return the state of a task, with what is to be done or what failed."""
    status: dict[str, Any] = {
        "state": wire_state(row.state),
        "timestamp": wire_time(row.updated_at),
    }
    text = _status_text(row)
    if text:
        status["message"] = {
            "messageId": f"{row.id}-{row.state}",
            "contextId": row.context_id,
            "taskId": ids.format_id(TASK, row.id),
            "role": "ROLE_AGENT",
            "parts": [{"text": text}],
        }
    return status


def artifact_json(row: A2aTask) -> dict[str, Any]:
    """Return the result of a task, as data and as a short text."""
    result = row.result or {}
    return {
        "artifactId": f"{row.skill}-result",
        "name": SKILLS[row.skill].title,
        "parts": [{"data": result, "mediaType": _JSON}, {"text": _summary(row.skill, result)}],
    }


def status_event(row: A2aTask) -> dict[str, Any]:
    """Return the event of a stream that a task's state changed."""
    return {"statusUpdate": {**_of_task(row), "status": status_json(row)}}


def artifact_event(row: A2aTask) -> dict[str, Any]:
    """Return the event of a stream with the result of a task."""
    return {"artifactUpdate": {**_of_task(row), "artifact": artifact_json(row), "lastChunk": True}}


def wire_state(state: str) -> str:
    """Return the protocol's name of a state."""
    return f"{_PREFIX}{state.upper()}"


def state_of(wire: str) -> A2aTaskState | None:
    """Return the state of the protocol's name, None for one that tasks here never have."""
    name = wire.removeprefix(_PREFIX).lower()
    return A2aTaskState(name) if name in list(A2aTaskState) else None


def wire_time(time: datetime) -> str:
    """Return a time in UTC as the protocol writes it."""
    return time.isoformat().replace("+00:00", "Z")


def _of_task(row: A2aTask) -> dict[str, str]:
    """Return the ids of an event."""
    return {"taskId": ids.format_id(TASK, row.id), "contextId": row.context_id}


def _metadata(row: A2aTask) -> dict[str, Any]:
    """Return the skill, the code of an error, and the chain that is passed on for the agent."""
    result = row.result or {}
    chain = result.get("agent_chain") or (result.get("run") or {}).get("agent_chain") or []
    shown: dict[str, Any] = {"skill": row.skill, METADATA_KEY: chain}
    return shown if row.error is None else {**shown, "error": row.error}


def _status_text(row: A2aTask) -> str:
    """Return what the caller is told beside the state."""
    if row.state == A2aTaskState.INPUT_REQUIRED:
        actions = (row.result or {}).get("actions", [])
        names = [one["id"] for one in actions if one["status"] == "proposed"]
        return (
            f"Approval is required: {', '.join(names)}. Send `approve` or `reject` with this task."
        )
    if row.state == A2aTaskState.FAILED:
        return f"The task failed: {row.error or 'unknown'}."
    return ""


def _summary(skill: str, result: Mapping[str, Any]) -> str:
    """Return a result in a sentence."""
    run, agent, action = result.get("run"), result.get("agent"), result.get("action")
    if run is not None:
        decision = (run.get("assessment") or {}).get("action", "none yet")
        return f"Run {run['status']}. Decision: {decision}. Cost: {run['cost']}."
    if agent is not None:
        tick = result.get("last_decision")
        decision = "none yet" if tick is None else tick["assessment"].get("action")
        return f"{agent['name']} is {agent['status']}. Last decision: {decision}."
    if action is not None:
        return f"The action {action['id']} is {action['status']}."
    listed = result.get(SKILLS[skill].result)
    if isinstance(listed, list):
        return f"{len(listed)} found."
    episodes = (listed or {}).get("episode_count", 0)
    return f"{episodes} episodes in {(listed or {}).get('ticks', 0)} ticks."
