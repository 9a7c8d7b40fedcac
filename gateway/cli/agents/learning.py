"""`maas agents feedback`, `policies`, `rule-limits`, `transfer` and others: what agents learn."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.agents.learning.errors import AgentPolicyInvalid
from gateway.agents.learning.feedback import NewFeedback, give_feedback
from gateway.agents.learning.lifecycle import PolicyEditor, lock_agent
from gateway.agents.learning.limits import decide_limit, list_limits
from gateway.agents.learning.policy_rows import PURPOSE, find_policy, list_policies
from gateway.agents.learning.steps import list_steps
from gateway.agents.learning.transfer import carry_policy, plan_json, plan_transfer
from gateway.agents.learning.views import (
    feedback_json,
    learning_json,
    limit_json,
    policy_json,
)
from gateway.agents.store.agents import AgentChange, find_agent, read_definition
from gateway.agents.store.owners import AgentOwner
from gateway.agents.views import agent_json
from gateway.cli.agents.commands import AgentId, agents_app
from gateway.cli.paying_key import find_paying_key
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command, read_text_file
from gateway.identity.audit_log import CLI_ACTOR
from gateway.tables.agents_learning import AgentLearning, FeedbackVerdict
from infra.clock import Clock
from infra.secrets.secret_key import secret_key
from infra.secrets.signing_key import SigningKey
from infra.settings import Settings
from models.catalog import load_configured_catalog

_PolicyId = Annotated[str, typer.Argument(help="Policy ID (apol_…).")]
_POLICIES = ("number", "status", "created_at", "promoted_at", "id")
_STEPS = ("created_at", "step", "policy", "decided_by")
_LIMITS = ("rule", "before", "after", "unit", "status", "id")
_ITEMS = ("kind", "name", "reason")


class _File(msgspec.Struct):
    content: str
    signature: str


@agents_app.command("feedback")
@command
async def agents_feedback(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    agent: AgentId,
    tick: Annotated[str, typer.Argument(help="Tick ID (tick_…).")],
    verdict: Annotated[FeedbackVerdict, typer.Argument(help="What became of the decision.")],
    fault: Annotated[
        bool | None, typer.Option("--fault/--no-fault", help="With `corrected`.")
    ] = None,
    found: Annotated[str, typer.Option(help="What was found.")] = "",
    cost: Annotated[float | None, typer.Option(help="What the action really cost.")] = None,
) -> Record:
    """Give feedback on a decision; it replaces earlier feedback."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    change = AgentChange(session, clock, CLI_ACTOR, account_id)
    new = NewFeedback(verdict, fault, found, cost=cost)
    return Record("Feedback saved.", feedback_json(await give_feedback(change, row, tick, new)))


@agents_app.command("learning")
@command
async def agents_learning(session: AsyncSession, account: AccountName, agent: AgentId) -> Report:
    """Show how an agent learns, and the steps of its policies."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    settings = read_definition(row.definition).learning
    state = await session.get(AgentLearning, row.id)
    shown = learning_json(row, settings, state, await list_steps(session, account_id, row.id))
    fields = {name: value for name, value in shown.items() if name != "steps"}
    return Report(shown, [Record("Learning:", fields), Table(shown["steps"], _STEPS)])


@agents_app.command("policies")
@command
async def agents_policies(session: AsyncSession, account: AccountName, agent: AgentId) -> Table:
    """List the policies that an agent learned, newest first."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    rows = await list_policies(session, account_id, row.id)
    return Table([policy_json(one) for one in rows], _POLICIES)


@agents_app.command("policy-export")
@command
async def agents_policy_export(
    session: AsyncSession, account: AccountName, agent: AgentId, policy: _PolicyId
) -> Record:
    """Show a policy with its file; keep the output of --json to import it again."""
    row = await find_agent(session, (await get_account(session, account)).id, agent)
    shown = policy_json(await find_policy(session, row, policy), with_file=True)
    return Record("Policy:", shown)


@agents_app.command("policy-import")
@command
async def agents_policy_import(
    settings: Settings,
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    agent: AgentId,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Exported policy.")],
) -> Record:
    """Import an exported policy of this agent; it begins with a shadow period."""
    try:
        read = msgspec.json.decode(
            read_text_file(file, "The policy", AgentPolicyInvalid), type=_File
        )
    except msgspec.DecodeError as error:
        raise AgentPolicyInvalid(f"The file is no exported policy: {error}.") from error
    editor = await _editor(settings, session, clock, account, agent)
    row = await editor.import_file(read.content.encode(), read.signature)
    return Record("Policy imported.", policy_json(row))


@agents_app.command("policy-promote")
@command
async def agents_policy_promote(
    settings: Settings,
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    agent: AgentId,
    policy: _PolicyId,
) -> Record:
    """Let a policy that passed its shadow period decide."""
    editor = await _editor(settings, session, clock, account, agent)
    return Record("Policy promoted.", policy_json(await editor.promote(policy)))


@agents_app.command("policy-rollback")
@command
async def agents_policy_rollback(
    settings: Settings, session: AsyncSession, clock: Clock, account: AccountName, agent: AgentId
) -> Record:
    """Take back the policy in use: the one before it decides again, or the expected cost."""
    editor = await _editor(settings, session, clock, account, agent)
    return Record(
        "Policy rolled back.", policy_json(await editor.roll_back({"reasons": ["by_hand"]}))
    )


@agents_app.command("rule-limits")
@command
async def agents_limits(session: AsyncSession, account: AccountName, agent: AgentId) -> Table:
    """List limits of rules that were proposed after false alarms."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    rows = await list_limits(session, account_id, row.id)
    return Table([limit_json(one) for one in rows], _LIMITS)


@agents_app.command("accept-limit")
@command
async def agents_limit(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    agent: AgentId,
    limit: Annotated[str, typer.Argument(help="Limit ID (alim_…).")],
    accept: Annotated[bool, typer.Option("--accept/--reject", help="Change the rule, or not.")],
) -> Record:
    """Accept or reject a proposed limit."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    change = AgentChange(session, clock, CLI_ACTOR, account_id)
    decided = await decide_limit(change, row, limit, accept)
    return Record(f"Limit is {decided.status}.", limit_json(decided))


@agents_app.command("transfer")
@command
async def agents_transfer(
    settings: Settings,
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    agent: AgentId,
    asset: Annotated[str, typer.Argument(help="The other asset: code or ID.")],
    name: Annotated[str, typer.Option(help="Name of the new agent.")] = "",
    key: Annotated[str | None, typer.Option(help="API key ID (key_…) that pays.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Create nothing.")] = False,
) -> Report:
    """Create a paused agent for another asset; shows what carries over and what does not."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    change = AgentChange(session, clock, CLI_ACTOR, account_id)
    plan = await plan_transfer(change, row, asset, name)
    shown = {"object": "agent.transfer", "agent": None, **plan_json(plan)}
    if not dry_run:
        paying = (
            row.key_id if key is None else await find_paying_key(session, clock, account_id, key)
        )
        owner = AgentOwner(change, load_configured_catalog(settings), settings.agents_per_account)
        made = (await owner.create(paying, plan.definition)).agent
        await carry_policy(change, _signing(settings), made, plan)
        shown["agent"] = agent_json(made, clock.now())
    tables = [Table(shown["carried"], _ITEMS), Table(shown["relearned"], _ITEMS)]
    title = "Nothing was created." if dry_run else "Agent created, paused."
    return Report(shown, [Record(title, {"asset": plan.asset.code}), *tables])


async def _editor(
    settings: Settings, session: AsyncSession, clock: Clock, account: str, agent: str
) -> PolicyEditor:
    """Return what changes the policies of an agent, which is locked."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    change = AgentChange(session, clock, CLI_ACTOR, account_id)
    return PolicyEditor(change, _signing(settings), await lock_agent(session, row) or row)


def _signing(settings: Settings) -> SigningKey:
    """Return the key that signs policies."""
    return SigningKey(secret_key(settings), PURPOSE)
