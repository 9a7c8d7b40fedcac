"""Run several input checks and raise all their errors together, instead of the first.

    amount, reason = collect(lambda: amount_from(text), lambda: require_reason(reason))

Asynchronous checks run first: `await attempt(check)` gives a check for `collect`.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NoReturn

from infra.errors import AppError


class SeveralErrors(AppError):
    """Several fields are invalid. Status, code and message are those of the first error, which the
    API returns; forms show all `errors`, each beside its field."""

    def __init__(self, errors: tuple[AppError, ...]) -> None:
        first = errors[0]
        super().__init__(first.message, param=first.param, headers=first.headers)
        self.status, self.type, self.code = first.status, first.type, first.code
        self.errors = errors


def collect(*checks: Callable[[], Any]) -> list[Any]:
    """Run all checks and return their results in order. Raises the only error, or SeveralErrors."""
    results: list[Any] = []
    errors: list[AppError] = []
    for check in checks:
        try:
            results.append(check())
        except SeveralErrors as several:
            errors.extend(several.errors)
        except AppError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else SeveralErrors(tuple(errors))
    return results


async def attempt(check: Awaitable[Any]) -> Callable[[], Any]:
    """Await a check; return a check for `collect` that gives the same result or error."""
    try:
        result = await check
    except AppError as error:
        return partial(_raise, error)
    return lambda: result


def _raise(error: AppError) -> NoReturn:
    """Raise the error; a function, so that `attempt` can return it as a check."""
    raise error


def errors_of(error: AppError) -> tuple[AppError, ...]:
    """Return the errors within a SeveralErrors, or any other error as the only one."""
    return error.errors if isinstance(error, SeveralErrors) else (error,)
