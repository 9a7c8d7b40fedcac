"""Collecting: all errors of an input at once, instead of the first.

    amount, reason = collect(lambda: amount_from(text), lambda: require_reason(said))

A check that awaits something goes first: `await attempt(check)` is its result, for `collect`. Owns
running every check and raising what they found together.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NoReturn

from infra.errors import AppError


class SeveralErrors(AppError):
    """More than one field is wrong. As one error it is the first of them, which is what an API
    answers; a form shows all `errors`, each beside its field."""

    def __init__(self, errors: tuple[AppError, ...]) -> None:
        first = errors[0]
        super().__init__(first.message, param=first.param, headers=first.headers)
        self.status, self.type, self.code = first.status, first.type, first.code
        self.errors = errors


def collect(*checks: Callable[[], Any]) -> list[Any]:
    """The results of all checks, in their order. Raises the error of the only check that failed,
    or SeveralErrors."""
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
    """Run a check that awaits; gives a check for `collect` with the same result or error."""
    try:
        result = await check
    except AppError as error:
        return partial(_raise, error)
    return lambda: result


def _raise(error: AppError) -> NoReturn:
    raise error


def errors_of(error: AppError) -> tuple[AppError, ...]:
    """The single errors that an error stands for."""
    return error.errors if isinstance(error, SeveralErrors) else (error,)
