"""Errors of teams of agents and their tasks, as HTTP error types."""

from infra.errors import AppError


class AgentTeamNotFound(AppError):
    """The team does not exist, or is another account's."""

    status = 404
    type = "invalid_request_error"
    code = "agent_team_not_found"


class AgentTeamInvalid(AppError):
    """A field of a team cannot be used; `param` names it."""

    status = 400
    type = "invalid_request_error"
    code = "agent_team_invalid"


class AgentTeamNameTaken(AppError):
    """The account has another team of this name."""

    status = 409
    type = "invalid_request_error"
    code = "agent_team_name_taken"


class AgentTeamInUse(AppError):
    """The team cannot be deleted: it has members."""

    status = 409
    type = "invalid_request_error"
    code = "agent_team_in_use"


class AgentTeamLimitReached(AppError):
    """The account has as many teams as it may."""

    status = 409
    type = "invalid_request_error"
    code = "agent_team_limit_reached"


class AgentTaskNotFound(AppError):
    """The task does not exist, or is another account's."""

    status = 404
    type = "invalid_request_error"
    code = "agent_task_not_found"


class AgentTaskClosed(AppError):
    """The task is finished, or does not wait for the answer of a person."""

    status = 409
    type = "invalid_request_error"
    code = "agent_task_closed"


class AgentTaskAnswerInvalid(AppError):
    """The answer to a task cannot be used; `param` names the field."""

    status = 400
    type = "invalid_request_error"
    code = "agent_task_answer_invalid"
