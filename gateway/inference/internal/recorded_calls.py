"""Run a linked call between its intent and its usage row."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from gateway.call.errors import InternalError
from gateway.call.failure import failed_result
from gateway.call.values import AdmittedCall, Call, CallResult
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.usage.pending_writes import PendingIntent
from gateway.inference.usage.writer import UsageWriter
from infra.errors import AppError

Added = TypeVar("Added")


async def run_recorded(
    writer: UsageWriter,
    linked: LinkedCalls,
    call: Call,
    admitted: AdmittedCall,
    work: Callable[[], Awaitable[CallResult]],
    add: Callable[[Call, AdmittedCall, CallResult, PendingIntent], Added],
) -> tuple[CallResult, Added]:
    """Write the intent of a linked call, run `work` and add the call's usage row.

    `add` is one of the `add_` methods of `linked`; its result is returned beside that of the call.
    An AppError of `work` is part of the result; the row is added whatever else it raises.
    """
    intent = writer.open_intent(partial(linked.build_intent, call, admitted))
    result = failed_result(call, InternalError("The service was stopped."))
    try:
        await writer.flush_intent(intent)
        result = await work()
    except AppError as error:
        result = failed_result(call, error)
    except BaseException:
        add(call, admitted, result, intent)
        raise
    return result, add(call, admitted, result, intent)
