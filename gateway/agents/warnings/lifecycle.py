"""Use a version of a learned warning rule, or go back to the one before it."""

from gateway.agents.store.agents import AgentChange
from gateway.agents.warnings.errors import LearnedWarningNotReady, LearnedWarningNotShown
from gateway.agents.warnings.rows import find_rule, find_version, find_with_status, record
from gateway.tables.agents_warnings import LearnedWarningVersion, WarningVersionStatus

BY_OPERATOR = "operator"
_TRAINED = (
    WarningVersionStatus.REJECTED,
    WarningVersionStatus.READY,
    WarningVersionStatus.RETIRED,
    WarningVersionStatus.ROLLED_BACK,
)


async def activate(
    change: AgentChange, rule: str, version: int, accept: bool = False
) -> LearnedWarningVersion:
    """Let agents use a version from their next tick on; again changes nothing.

    accept: although it is not shown to cost less than a fixed limit, which is recorded. Raises
    LearnedWarningNotFound, LearnedWarningNotReady, LearnedWarningNotShown.
    """
    session, now = change.session, change.clock.now()
    row = await find_rule(session, change.account_id, rule, is_locked=True)
    found = await find_version(session, row, version)
    if found.status == WarningVersionStatus.ACTIVE:
        return found
    if found.status not in _TRAINED:
        raise LearnedWarningNotReady(f"Version {version} of the warning rule is not trained.")
    if found.report.get("reasons") and found.accepted_by is None:
        if not accept:
            raise LearnedWarningNotShown(_why_not(found))
        found.accepted_by = change.actor.public_id or BY_OPERATOR
    before = await find_with_status(session, row, WarningVersionStatus.ACTIVE)
    if before is not None:
        before.status, before.ended_at = WarningVersionStatus.RETIRED, now
        await session.flush()
    found.status, found.active_at, found.ended_at = WarningVersionStatus.ACTIVE, now, None
    found.decided_by = change.actor.public_id
    await session.flush()
    details = {"version": version, "accepted": found.accepted_by is not None}
    await record(change, "learned_warning.activated", row, details)
    return found


async def roll_back(change: AgentChange, rule: str) -> LearnedWarningVersion:
    """Take back the version in use; the one before it is used again, if there is one.

    Returns the version that was taken back. Raises LearnedWarningNotFound, LearnedWarningNotReady.
    """
    session, now = change.session, change.clock.now()
    row = await find_rule(session, change.account_id, rule, is_locked=True)
    active = await find_with_status(session, row, WarningVersionStatus.ACTIVE)
    if active is None:
        raise LearnedWarningNotReady("No version of the warning rule is used.")
    active.status, active.ended_at = WarningVersionStatus.ROLLED_BACK, now
    active.decided_by = change.actor.public_id
    await session.flush()
    before = await find_with_status(session, row, WarningVersionStatus.RETIRED)
    if before is not None:
        before.status, before.active_at, before.ended_at = WarningVersionStatus.ACTIVE, now, None
        await session.flush()
    details = {"version": active.version, "to": None if before is None else before.version}
    await record(change, "learned_warning.rolled_back", row, details)
    return active


def _why_not(row: LearnedWarningVersion) -> str:
    """Return why a version is not shown to be better, with its figures."""
    report = row.report
    learned, fixed = report["learned"]["cost"], report["fixed"]["cost"]
    return (
        f"On {report['events']} events that were left out in turn, the rule costs {learned:g}, a "
        f"fixed limit on the best single point {fixed:g}. Repeat with `accept` to use it anyway."
    )
