"""Run steps that do not depend on each other: one that fails ends no other."""

from collections.abc import Awaitable, Callable, Mapping

import structlog

from infra.database.database import is_outage

Step = Callable[[], Awaitable[None]]


class StepsFailed(Exception):
    """Some steps raised an error, which the log has. All others were run.

    failed: their names, in order.
    """

    def __init__(self, failed: tuple[str, ...]) -> None:
        super().__init__(f"failed: {', '.join(failed)}")
        self.failed = failed


async def run_each(steps: Mapping[str, Step]) -> None:
    """Run steps by name in their order, and log the error of one that fails.

    Raises StepsFailed after all steps if one failed, and at once the error of a database that is
    away: all further steps would fail too.
    """
    failed: list[str] = []
    for name, step in steps.items():
        try:
            await step()
        except Exception as error:
            if is_outage(error):
                raise
            structlog.get_logger().error("a step failed", step=name, exc_info=error)
            failed.append(name)
    if failed:
        raise StepsFailed(tuple(failed))
