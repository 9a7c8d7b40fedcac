"""Read, set and remove an account's guard policy, each change with an audit log entry."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.key_epoch import advance_epoch
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.tables import GuardRules
from infra.clock import Clock
from infra.errors import AppError
from models.catalog import Catalog, Task
from models.guards.policy import GuardInvalid, GuardPolicy, RuleKind, parse_policy


class GuardChangeNotAllowed(AppError):
    """A key that is restricted to models or service tiers cannot change the guard."""

    status = 403
    type = "permission_error"
    code = "guard_change_not_allowed"


def require_guard_models(policy: GuardPolicy, catalog: Catalog) -> None:
    """Raise GuardInvalid if a rule names a model that cannot judge texts."""
    for number, rule in enumerate(policy.rules):
        if rule.kind is not RuleKind.MODEL:
            continue
        model = catalog.find(rule.model)
        if model is None or model.task is not Task.MODERATION:
            param = f"rules[{number}].model"
            known = ", ".join(one.id for one in catalog.with_task(Task.MODERATION)) or "none"
            raise GuardInvalid(
                f"`{param}` must be a moderation model of this deployment: {known}.", param=param
            )


async def get_policy(session: AsyncSession, account_id: UUID) -> GuardPolicy | None:
    """Return the account's policy, None if it has none."""
    query = select(GuardRules.rules).where(col(GuardRules.account_id) == account_id)
    rules = (await session.execute(query)).scalar_one_or_none()
    return None if rules is None else parse_policy(rules)


async def set_policy(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID, policy: GuardPolicy
) -> None:
    """Set the account's policy; an equal one changes nothing.

    Every gateway applies it within a second. The audit log gets no words, only their number.
    """
    before = await get_policy(session, account_id)
    if before == policy:
        return
    values = {"rules": policy.to_json(), "updated_at": clock.now()}
    await session.execute(
        insert(GuardRules)
        .values(account_id=account_id, **values)
        .on_conflict_do_update(index_elements=[col(GuardRules.account_id)], set_=values)
    )
    await advance_epoch(session, account_id)
    details = {"from": _summary(before), "to": _summary(policy)}
    await record_audit_event(session, clock, actor, account_id, "guard.changed", details=details)


async def remove_policy(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID
) -> bool:
    """Remove the account's policy. Returns whether it had one."""
    before = await get_policy(session, account_id)
    if before is None:
        return False
    await session.execute(delete(GuardRules).where(col(GuardRules.account_id) == account_id))
    await advance_epoch(session, account_id)
    details = {"from": _summary(before), "to": _summary(None)}
    await record_audit_event(session, clock, actor, account_id, "guard.removed", details=details)
    return True


def _summary(policy: GuardPolicy | None) -> dict[str, Any]:
    """Return a policy for the audit log."""
    return {"rules": [] if policy is None else policy.summary()}
