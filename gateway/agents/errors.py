"""Errors of agents, as HTTP error types."""

from infra.errors import AppError


class AgentNotFound(AppError):
    """The agent does not exist, or is another account's."""

    status = 404
    type = "invalid_request_error"
    code = "agent_not_found"


class AgentDefinitionInvalid(AppError):
    """The definition of an agent cannot be used; `param` names the field."""

    status = 400
    type = "invalid_request_error"
    code = "agent_definition_invalid"


class AgentActionNotFound(AppError):
    """The action does not exist, or is another account's."""

    status = 404
    type = "invalid_request_error"
    code = "agent_action_not_found"


class AgentActionClosed(AppError):
    """The action was already decided, or is too old to be approved."""

    status = 409
    type = "invalid_request_error"
    code = "agent_action_closed"


class AgentCommandRefused(AppError):
    """A command may not be sent to a machine; `param` is the reason."""

    status = 409
    type = "invalid_request_error"
    code = "agent_command_refused"


class AgentCommandNotFound(AppError):
    """The command does not exist, or is another account's."""

    status = 404
    type = "invalid_request_error"
    code = "agent_command_not_found"


class CommandLimitsNotFound(AppError):
    """The limits do not exist, or are another account's."""

    status = 404
    type = "invalid_request_error"
    code = "command_limits_not_found"


class AgentVersionConflict(AppError):
    """The agent was changed by somebody else since it was read."""

    status = 409
    type = "invalid_request_error"
    code = "agent_version_conflict"


class AgentTemplateNotFound(AppError):
    """There is no template of this id."""

    status = 404
    type = "invalid_request_error"
    code = "agent_template_not_found"


class AgentLimitReached(AppError):
    """The account has as many agents as it may."""

    status = 409
    type = "invalid_request_error"
    code = "agent_limit_reached"


class AgentKeyNotAllowed(AppError):
    """The API key may not change an agent whose calls this other key pays."""

    status = 403
    type = "permission_error"
    code = "agent_key_not_allowed"


class AgentReplayInvalid(AppError):
    """The period of a replay cannot be replayed; `param` names the field."""

    status = 400
    type = "invalid_request_error"
    code = "agent_replay_invalid"
