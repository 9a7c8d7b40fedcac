"""Suggested fixes for rejected and failed calls: one text per error code.

Shown by the API, the dashboard, CSV files and `maas usage`. docs/errors.md has the same texts; a
test compares them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from billing.translations.catalog import billing_texts
from infra.translations import gettext_noop


@dataclass(frozen=True, slots=True)
class SuggestedFix:
    """A suggested fix; `en` is its English."""

    en: str

    def text(self, language: str) -> str:
        """Return the text in a language."""
        return billing_texts(language).gettext(self.en)


_REQUEST = {
    "invalid_json": gettext_noop("correct the JSON of the request body"),
    "invalid_value": gettext_noop("correct the field that `param` names"),
    "unknown_parameter": gettext_noop("the endpoint has no field that `param` names: remove it"),
    "unsupported_parameter": gettext_noop(
        "this endpoint does not support the field that `param` names: remove it"
    ),
    "invalid_request": gettext_noop("the model rejected the request: check its fields"),
    "context_length_exceeded": gettext_noop("shorten the prompt or ask for fewer tokens"),
    "content_filter": gettext_noop(
        "the account's guard refused the text: change the text, or the guard's rules"
    ),
    "model_not_supported": gettext_noop("the model belongs to another endpoint: use that endpoint"),
    "model_not_priced": gettext_noop(
        "the model has no price in the account's currency: contact the operator"
    ),
    "max_cost_exceeded": gettext_noop(
        "lower `max_tokens` or raise `X-Max-Cost`: the call can cost more"
    ),
    "idempotency_key_invalid": gettext_noop(
        "send an `Idempotency-Key` of 1 to 255 printable ASCII characters"
    ),
    "model_not_found": gettext_noop("`GET /v1/models` lists the models"),
    "unsupported_endpoint": gettext_noop("`/docs` lists the endpoints"),
    "method_not_allowed": gettext_noop("use the method listed in `/docs`"),
    "request_timeout": gettext_noop(
        "send the request again: its headers or body did not arrive in time"
    ),
    "idempotency_key_in_use": gettext_noop(
        "the first call with this key is still running: try again shortly"
    ),
    "idempotent_answer_not_kept": gettext_noop(
        "the call already succeeded; its response of more than 4 MiB was not stored"
    ),
    "request_too_large": gettext_noop("send a smaller request"),
    "unsupported_encoding": gettext_noop("send the body uncompressed"),
    "idempotency_key_reused": gettext_noop(
        "use a new `Idempotency-Key`: this one belongs to another request"
    ),
    "vector_store_not_found": gettext_noop(
        "`GET /v1/vector_stores` lists the account's vector stores"
    ),
    "vector_store_expired": gettext_noop(
        "the store was unused for longer than its `expires_after`: create a new one"
    ),
    "embedding_model_changed": gettext_noop(
        "the store's embedding model is no longer served: add its files to a new store"
    ),
}
_ACCESS = {
    "missing_api_key": gettext_noop("send `Authorization: Bearer <key>`"),
    "invalid_api_key": gettext_noop("check that the key was copied completely"),
    "api_key_revoked": gettext_noop("use another key"),
    "project_archived": gettext_noop("use a key of an active project"),
    "api_key_expired": gettext_noop("use the key that replaced it"),
    "api_key_network": gettext_noop(
        "the key is limited to other networks: call from an allowed network, or change "
        "the allowed networks in the dashboard"
    ),
    "model_not_allowed": gettext_noop(
        "the key is limited to other models: use another key, or change its scope in the dashboard"
    ),
    "service_tier_not_available": gettext_noop(
        "the plan does not offer this `service_tier` for the model, or the key does not "
        "allow it: remove the field, or contact the operator"
    ),
    "credit_exhausted": gettext_noop(
        "the account's credit and included units are used up: top up, or contact the "
        "operator (`x-should-retry: false`)"
    ),
    "account_suspended": gettext_noop(
        "the account is suspended because of an overdue invoice: pay it, or contact the "
        "operator (`x-should-retry: false`)"
    ),
    "budget_exhausted": gettext_noop(
        "raise the budget that the message names, or wait until it resets (`x-should-retry: false`)"
    ),
    "credit_reserved": gettext_noop(
        "running calls reserve the remaining credit or included units: try again after "
        "`retry-after`"
    ),
    "rate_limit_exceeded": gettext_noop(
        "too many requests or tokens per minute: try again after `retry-after`"
    ),
    "call_exceeds_rate_limit": gettext_noop(
        "the call alone exceeds the limit per minute: make it smaller"
    ),
    "concurrent_streams_exceeded": gettext_noop(
        "the limit of concurrent streams is reached: wait for one to end"
    ),
}
_SERVICE = {
    "internal_error": gettext_noop("platform error: try again, and report the `x-request-id`"),
    "model_failed": gettext_noop("not billed: try again"),
    "service_unavailable": gettext_noop("not billed: the model is not served at present"),
    "model_unavailable": gettext_noop("not billed: try again shortly"),
    "model_overloaded": gettext_noop("not billed: try again shortly"),
    "metering_unavailable": gettext_noop("not billed: try again shortly"),
    "database_unavailable": gettext_noop("not billed: try again shortly"),
    "model_timeout": gettext_noop("not billed: try again, or lower `max_tokens`"),
}
# Error codes that occur in usage rows only, never in API responses.
_USAGE_ROW = {
    "client_closed_request": gettext_noop(
        "raise the client's timeout or use a stream: the client closed the connection"
    ),
    "cut_at_limit": gettext_noop(
        "the response was cut at a limit: top up, or raise the budget or `X-Max-Cost`"
    ),
    "answer_corrected": gettext_noop(
        "no action needed: the model stated what no passage says, so its answer was replaced"
    ),
    "hold_exceeded": gettext_noop("no action needed: usage beyond the reservation is not billed"),
    "gateway_process_ended": gettext_noop("not billed: send the call again"),
}
FIXES_BY_ERROR_CODE: Mapping[str, SuggestedFix] = MappingProxyType(
    {code: SuggestedFix(text) for code, text in (_REQUEST | _ACCESS | _SERVICE).items()}
)
USAGE_ROW_FIXES: Mapping[str, SuggestedFix] = MappingProxyType(
    {code: SuggestedFix(text) for code, text in _USAGE_ROW.items()}
)
# Error codes by category, for the dashboard's filter.
ERROR_CODE_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "request": tuple(_REQUEST),
        "access": tuple(_ACCESS),
        "service": tuple(_SERVICE),
        "row": tuple(_USAGE_ROW),
    }
)
# Filter value that matches calls with any error code.
ANY_ERROR = "any"
_CODE = re.compile(r"[a-z0-9_]{1,64}")
_OTHER_4XX = SuggestedFix(gettext_noop("correct the request as `param` and the code say"))
_OTHER_5XX = SuggestedFix(gettext_noop("not billed: try again shortly"))


def find_suggested_fix(code: str | None, status: int) -> SuggestedFix | None:
    """Return the suggested fix for an error code and HTTP status; None if there is no error."""
    if code is None:
        return None
    return (
        FIXES_BY_ERROR_CODE.get(code)
        or USAGE_ROW_FIXES.get(code)
        or (_OTHER_5XX if status >= 500 else _OTHER_4XX)
    )


def is_error_code(text: str) -> bool:
    """Return whether the text has the format of an error code; codes without a fix are valid."""
    return _CODE.fullmatch(text) is not None
