"""Idempotency keys: the response to a POST is stored and replayed for the same request.

Owns what is kept, for how long, and the refusals to a key used otherwise. Stripe promises no
more than 24 hours, so nothing is kept longer here: a retry after that is done again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.support.fakes.stripe.clock import MovableClock
from tests.support.fakes.stripe.forms import Form
from tests.support.fakes.stripe.refusals import Refusal

_KEPT_FOR = timedelta(hours=24)
_LONGEST = 255


@dataclass(frozen=True)
class Kept:
    """A stored response with its request."""

    path: str
    form: Form
    status: int
    body: bytes
    request_id: str
    at: datetime


class Keys:
    """The keys of one account."""

    def __init__(self, clock: MovableClock) -> None:
        self._clock = clock
        self._kept: dict[str, Kept] = {}
        self._running: set[str] = set()

    def begin(self, key: str, path: str, form: Form) -> Kept | None:
        """Return the stored response, or None and lock the key until `end`."""
        if len(key) > _LONGEST:
            raise _refusal(400, f"Idempotency-Key is too long: at most {_LONGEST} characters.")
        if key in self._running:
            raise _in_use()
        kept = self._kept.get(key)
        if kept is not None and self._clock.now() - kept.at < _KEPT_FOR:
            _require_same(kept, key, path, form)
            return kept
        self._running.add(key)
        return None

    def end(self, key: str) -> None:
        """End the request, with or without a response to store."""
        self._running.discard(key)

    def keep(self, key: str, path: str, form: Form, status: int, body: bytes, request: str) -> None:
        self._kept[key] = Kept(path, form, status, body, request, self._clock.now())


def _require_same(kept: Kept, key: str, path: str, form: Form) -> None:
    other = f"Try using a key other than '{key}' if you meant to execute a different request."
    if kept.path != path:
        message = "Keys for idempotent requests can only be used for the same endpoint they were "
        raise _refusal(400, f"{message}first used for ('{path}' vs '{kept.path}'). {other}")
    if kept.form != form:
        message = "Keys for idempotent requests can only be used with the same parameters they "
        raise _refusal(400, f"{message}were first used with. {other}")


def _in_use() -> Refusal:
    message = "There is currently another in-progress request using this Idempotent Key (that "
    message += "probably means you submitted twice, and the other request is still going through)"
    return _refusal(409, message, "idempotency_key_in_use")


def _refusal(status: int, message: str, code: str | None = None) -> Refusal:
    error = {"message": message, "type": "idempotency_error"}
    return Refusal(status, error | ({"code": code} if code else {}), began=False)
