"""Errors of agents that learn, as HTTP error types."""

from infra.errors import AppError


class AgentTickNotFound(AppError):
    """The agent has no such tick."""

    status = 404
    type = "invalid_request_error"
    code = "agent_tick_not_found"


class AgentFeedbackLate(AppError):
    """The tick is too old for feedback."""

    status = 409
    type = "invalid_request_error"
    code = "agent_feedback_late"


class AgentPolicyNotFound(AppError):
    """The agent has no such policy."""

    status = 404
    type = "invalid_request_error"
    code = "agent_policy_not_found"


class AgentPolicyNotReady(AppError):
    """The policy cannot be promoted or rolled back now; the message says why."""

    status = 409
    type = "invalid_request_error"
    code = "agent_policy_not_ready"


class AgentPolicyInvalid(AppError):
    """The policy file cannot be read, or was not written by this installation."""

    status = 400
    type = "invalid_request_error"
    code = "agent_policy_invalid"


class AgentPolicyForeign(AppError):
    """The policy was learned for another account, agent, asset or other costs."""

    status = 409
    type = "invalid_request_error"
    code = "agent_policy_foreign"


class AgentProposalNotFound(AppError):
    """The agent has no such proposed limit."""

    status = 404
    type = "invalid_request_error"
    code = "agent_limit_not_found"


class AgentProposalClosed(AppError):
    """The proposed limit was decided before, or its rule was changed."""

    status = 409
    type = "invalid_request_error"
    code = "agent_limit_closed"


class AgentTransferInvalid(AppError):
    """Nothing of the agent can be carried over to the asset."""

    status = 409
    type = "invalid_request_error"
    code = "agent_transfer_invalid"
