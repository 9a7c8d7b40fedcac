"""Errors of runs and of agents that call each other, as HTTP error types."""

from infra.errors import AppError


class AgentRunNotFound(AppError):
    """The run does not exist, or is another account's."""

    status = 404
    type = "invalid_request_error"
    code = "agent_run_not_found"


class AgentRunning(AppError):
    """A tick of the agent is running, or a run waits for one."""

    status = 409
    type = "invalid_request_error"
    code = "agent_running"


class AgentNotActive(AppError):
    """The agent is paused or was stopped."""

    status = 409
    type = "invalid_request_error"
    code = "agent_not_active"


class AgentRunUnsupported(AppError):
    """The agent works by its schedule only."""

    status = 409
    type = "invalid_request_error"
    code = "agent_run_unsupported"


class AgentRunLimitReached(AppError):
    """The agent ran outside of its schedule as often as it may in an hour."""

    status = 429
    type = "rate_limit_error"
    code = "agent_run_limit"


class AgentRunNotCancelable(AppError):
    """The run has begun or ended."""

    status = 409
    type = "invalid_request_error"
    code = "agent_run_not_cancelable"


class AgentChainInvalid(AppError):
    """The chain of calling agents cannot be read."""

    status = 400
    type = "invalid_request_error"
    code = "agent_chain_invalid"


class AgentCallCycle(AppError):
    """The agent is already in the chain of agents that wait for this call."""

    status = 409
    type = "invalid_request_error"
    code = "agent_call_cycle"


class AgentChainTooLong(AppError):
    """More agents wait for this call than are allowed."""

    status = 409
    type = "invalid_request_error"
    code = "agent_chain_too_long"
