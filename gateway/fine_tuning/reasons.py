"""Why a job failed or waits, as a sentence that pages can translate.

Errors of a training are raised with their sentence. Those of limits, keys and servers have a text
that is made for the call that they refuse: they get a sentence by their code, which says less.
"""

from collections.abc import Mapping
from types import MappingProxyType

from infra.errors import AppError
from models.sentences import Sentence, message_of, restored, sentence

REASONS: Mapping[str, Sentence] = MappingProxyType(
    {
        "account_suspended": sentence("The account is suspended."),
        "api_key_expired": sentence("The API key that pays has expired."),
        "api_key_revoked": sentence("The API key that pays was revoked."),
        "budget_exhausted": sentence("The budget of the API key does not cover the training."),
        "call_exceeds_rate_limit": sentence("The training exceeds a limit of the API key."),
        "credit_exhausted": sentence("The account's credit does not cover the training."),
        "credit_reserved": sentence("The account's credit is reserved for other calls."),
        "file_not_found": sentence("The training file was deleted."),
        "internal_error": sentence("Something went wrong on our side."),
        "max_cost_exceeded": sentence("The training may cost more than its limit allows."),
        "metering_unavailable": sentence("Usage cannot be recorded at the moment."),
        "model_failed": sentence("The training was interrupted."),
        "model_not_allowed": sentence("The API key may not call this model."),
        "model_not_found": sentence("The model is no longer offered."),
        "model_not_priced": sentence("The account has no price for this training."),
        "model_not_served": sentence("The model is not installed on this deployment."),
        "model_overloaded": sentence("The training server is busy."),
        "model_timeout": sentence("The training server did not answer in time."),
        "model_unavailable": sentence("The training server cannot be reached."),
        "rate_limit_exceeded": sentence("A rate limit was reached."),
        "service_unavailable": sentence("The service is not available at the moment."),
    }
)
"""What an error with a code means for a training."""


def reason_of(error: AppError) -> str:
    """Return an error's text: its own sentence, else one with the template of its code."""
    message, known = message_of(error), REASONS.get(error.code or "")
    if isinstance(message, Sentence) or known is None:
        return message
    return restored(message, known.as_json())
