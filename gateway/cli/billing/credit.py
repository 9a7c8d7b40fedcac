"""`maas credit`: policies, decisions, overrides, exposure and replay."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.credit.errors import (
    CreditPolicyInvalid,
    ExposureLimitInvalid,
    OverrideInvalid,
)
from billing.credit.evaluation import list_decisions
from billing.credit.exposure import load_book, load_scopes
from billing.credit.policies import find_policy_version, list_policy_versions, load_policy
from billing.credit.policy import describe_rules
from billing.credit.replay import replay_decisions
from billing.credit.views import (
    decision_to_json,
    load_standing,
    policy_to_json,
    standing_to_json,
)
from gateway.cli.billing.credit_securities import deposit_app, guarantee_app
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command, read_text_file
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.accounts import AccountChange
from gateway.operations.credit import (
    assign_credit_policy,
    change_dunning_days,
    change_exposure_limit,
    charge_back_payment,
    end_credit_override,
    override_credit_limit,
    publish_credit_policy,
)
from gateway.operations.credit_views import exposure_json, replay_json
from gateway.operations.parsing import parse_currency, parse_instant, parse_minor
from infra import ids
from infra.clock import Clock

credit_app = typer.Typer(no_args_is_help=True)
policies_app = typer.Typer(no_args_is_help=True)
credit_app.add_typer(policies_app, name="policies", help="Publish and show credit policies.")
credit_app.add_typer(deposit_app, name="deposit", help="Record, apply and return deposits.")
credit_app.add_typer(guarantee_app, name="guarantee", help="Record and end guarantees.")
Reason = Annotated[str, typer.Option(help="Reason, for the audit log.")]
_DECISIONS = ("decided_at", "event", "previous_limit", "decided_limit", "limit", "id")
_PLAN = "plan"


@policies_app.command("publish")
@command
async def policies_publish(
    session: AsyncSession,
    clock: Clock,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Policy file (TOML).")],
    effective_from: Annotated[
        str | None, typer.Option(help="Date or time from which it applies. Default: now.")
    ] = None,
) -> Record:
    """Publish a policy file as the next version of the policy."""
    text = read_text_file(file, "The policy", CreditPolicyInvalid)
    starts = effective_from and parse_instant(effective_from, CreditPolicyInvalid)
    version = await publish_credit_policy(session, clock, CLI_ACTOR, text, starts or None)
    return Record("Credit policy published.", policy_to_json(version))


@policies_app.command("list")
@command
async def policies_list(session: AsyncSession) -> Table:
    """List all versions of all policies."""
    rows = [policy_to_json(row) for row in await list_policy_versions(session)]
    return Table(rows, ("policy", "currency", "number", "effective_from", "id"))


@policies_app.command("show")
@command
async def policies_show(
    session: AsyncSession,
    policy: Annotated[str, typer.Argument(help="Name of the policy.")],
    currency: Annotated[str, typer.Option(help="Currency.")] = "CNY",
    number: Annotated[
        int | None, typer.Option("--version", help="Version. Default: the latest.")
    ] = None,
) -> Record:
    """Show the rules of a policy; amounts in minor units, shares in parts per million."""
    version = await find_policy_version(session, policy, currency, number)
    rules = describe_rules(await load_policy(session, version.id))
    return Record("Credit policy:", {**policy_to_json(version), **rules})


@credit_app.command("show")
@command
async def credit_show(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Decisions to list.")] = 10,
) -> Report:
    """Show an account's credit limit, why it is so, and its last decisions."""
    owner = await get_account(session, account)
    standing = standing_to_json(await load_standing(session, owner.id, clock.now()))
    rows = [
        decision_to_json(row, owner.currency)
        for row in await list_decisions(session, owner.id, limit)
    ]
    sections = (Record("Credit:", standing), Table(rows, _DECISIONS))
    return Report({**standing, "decisions": rows}, sections)


@credit_app.command("assign")
@command
async def credit_assign(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    policy: Annotated[
        str, typer.Argument(help="Policy, `none` for a fixed limit, or `plan` for the plan's.")
    ],
    reason: Reason,
) -> Record:
    """Assign a credit policy to an account, and decide its limit at once."""
    owner = await get_account(session, account)
    change = AccountChange(CLI_ACTOR, owner.id, reason)
    await assign_credit_policy(session, clock, change, None if policy == _PLAN else policy)
    standing = await load_standing(session, owner.id, clock.now())
    return Record("Credit policy assigned.", standing_to_json(standing))


@credit_app.command("override")
@command
async def credit_override(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    reason: Reason,
    limit: Annotated[str | None, typer.Option(help="Credit limit, e.g. 500.00.")] = None,
    until: Annotated[str | None, typer.Option(help="Date or time at which it expires.")] = None,
    end: Annotated[bool, typer.Option("--end", help="End the override now.")] = False,
) -> Record:
    """Override the limit that the policy decides, until a time; or end the override."""
    owner = await get_account(session, account)
    change = AccountChange(CLI_ACTOR, owner.id, reason)
    if end:
        await end_credit_override(session, clock, change)
    elif limit is None or until is None:
        raise OverrideInvalid("Give --limit and --until, or --end.", param="limit")
    else:
        minor = parse_minor(limit, owner.currency, OverrideInvalid)
        await override_credit_limit(
            session, clock, change, minor, parse_instant(until, OverrideInvalid)
        )
    standing = await load_standing(session, owner.id, clock.now())
    return Record("Override ended." if end else "Override set.", standing_to_json(standing))


@credit_app.command("dunning")
@command
async def credit_dunning(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    reason: Reason,
    reminders: Annotated[
        str, typer.Option(help="Days after the due date of the reminders, e.g. 3,7,14.")
    ] = "",
    suspend: Annotated[
        int | None,
        typer.Option(help="Day of the suspension. Without it the plan's days apply again."),
    ] = None,
    write_off: Annotated[int | None, typer.Option(help="Day of the write-off.")] = None,
) -> Record:
    """Set an account's own dunning days, for invoices that become final from now on."""
    owner = await get_account(session, account)
    days = [part.strip() for part in reminders.split(",") if part.strip()]
    if not all(part.isdecimal() and len(part) < 5 for part in days):
        raise CreditPolicyInvalid("Give whole days such as 3,7,14.", param="reminders")
    change = AccountChange(CLI_ACTOR, owner.id, reason)
    await change_dunning_days(
        session, clock, change, [int(day) for day in days], suspend, write_off
    )
    standing = standing_to_json(await load_standing(session, owner.id, clock.now()))
    names = ("reminder_days", "suspend_day", "write_off_day")
    return Record("Dunning days:", {name: standing[name] for name in names})


@credit_app.command("chargeback")
@command
async def credit_chargeback(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    payment: Annotated[str, typer.Argument(help="Reference of the payment.")],
    reason: Reason,
) -> Record:
    """Record that a payment was taken back: its invoice is open and due again."""
    owner = await get_account(session, account)
    change = AccountChange(CLI_ACTOR, owner.id, reason)
    invoice = await charge_back_payment(session, clock, change, payment)
    fields = {"invoice": ids.format_id("inv", invoice.id), "status": invoice.status}
    return Record("Chargeback recorded.", fields)


@credit_app.command("exposure")
@command
async def credit_exposure(
    session: AsyncSession,
    clock: Clock,
    currency: Annotated[str, typer.Option(help="Currency.")] = "CNY",
    limit: Annotated[
        str | None, typer.Option(help="Set the exposure limit of the scope; `none` removes it.")
    ] = None,
    scope: Annotated[str, typer.Option(help="currency, policy or guarantor.")] = "currency",
    of: Annotated[str, typer.Option(help="Name of the policy or guarantor.")] = "",
    top: Annotated[int, typer.Option(min=1, max=10_000, help="Accounts to list.")] = 20,
) -> Report:
    """Show the exposure of all accounts, the largest first; or set an exposure limit."""
    code, now = parse_currency(currency, ExposureLimitInvalid), clock.now()
    if limit is not None:
        minor = None if limit == "none" else parse_minor(limit, code, ExposureLimitInvalid)
        await change_exposure_limit(session, clock, CLI_ACTOR, scope, of, code, minor)
    book = (await load_book(session, code, now))[:top]
    value = exposure_json(await load_scopes(session, now), book, code)
    sections = (
        Table(value["scopes"], ("scope", "subject", "currency", "exposure", "limit")),
        Table(
            value["accounts"], ("account", "policy", "exposure", "credit_limit", "owed", "deposit")
        ),
    )
    return Report(value, sections)


@credit_app.command("replay")
@command
async def credit_replay(
    session: AsyncSession,
    account: Annotated[str | None, typer.Option(help="Account. Default: all accounts.")] = None,
) -> Report:
    """Decide all stored decisions again, and report any difference.

    Exits with code 1 if there is one.
    """
    owner = None if account is None else (await get_account(session, account)).id
    value = replay_json(await replay_decisions(session, owner))
    rows, figures = value["rows"], {name: value[name] for name in ("decisions", "differences")}
    columns = ("decision", "account", "stored_minor", "expected_minor", "problem")
    sections = (Record("Decisions replayed.", figures), Table(rows, columns))
    return Report(value, sections, exit_code=1 if rows else 0)
