"""`maas signups`: review sign-ups and release companies."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.accounts import validate_reason
from gateway.operations.signups import SignupReview, release_account_company, reviewed_signup_json
from gateway.signups.factory import build_messages
from gateway.signups.policy import SignupPolicy
from gateway.signups.queries import STATUSES, find_signup, list_signups, signup_json
from infra.clock import Clock
from infra.secrets.secret_key import secret_key
from infra.settings import Settings

signups_app = typer.Typer(no_args_is_help=True)
SignupId = Annotated[str, typer.Argument(help="Sign-up ID (signup_…).")]
Note = Annotated[str, typer.Argument(help="Reason, 3 to 300 characters, sent to the person.")]
_COLUMNS = ("id", "status", "outcome", "reasons", "company_name", "email", "created_at")


@signups_app.command("list")
@command
async def signups_list(
    session: AsyncSession,
    status: Annotated[
        str, typer.Option(help="review, opened, refused, unverified or all.")
    ] = "review",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number.")] = 100,
) -> Table:
    """List sign-ups that wait for a review, or those of another status."""
    if status not in (*STATUSES, "all"):
        raise typer.BadParameter("must be review, opened, refused, unverified or all.")
    rows = await list_signups(session, None if status == "all" else status, limit)
    return Table([_table_row(signup_json(row)) for row in rows], _COLUMNS)


@signups_app.command("show")
@command
async def signups_show(session: AsyncSession, signup: SignupId) -> Record:
    """Show a sign-up with its facts, and decide again by them."""
    return Record("Sign-up:", reviewed_signup_json(await find_signup(session, signup)))


@signups_app.command("approve")
@command
async def signups_approve(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    signup: SignupId,
    reason: Note,
    no_grant: Annotated[
        bool, typer.Option("--no-grant", help="Open the account without the starting grant.")
    ] = False,
) -> Record:
    """Approve a sign-up: open its account and give the starting grant.

    A grant is not given twice for a mailbox, credit code or company.
    """
    note = validate_reason(reason)
    review = _review(settings, clock)
    row = await review.approve(session, CLI_ACTOR, signup, note, grant=not no_grant)
    return Record("Sign-up approved.", _summary(signup_json(row)))


@signups_app.command("reject")
@command
async def signups_reject(
    session: AsyncSession, settings: Settings, clock: Clock, signup: SignupId, reason: Note
) -> Record:
    """Reject a sign-up: no account, or no grant if the account is open."""
    note = validate_reason(reason)
    row = await _review(settings, clock).reject(session, CLI_ACTOR, signup, note)
    return Record("Sign-up rejected.", _summary(signup_json(row)))


@signups_app.command("release")
@command
async def signups_release(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    reason: Annotated[str, typer.Argument(help="Reason, recorded in the audit log.")],
    suspend: Annotated[
        bool, typer.Option("--suspend", help="Also suspend the account: its calls are rejected.")
    ] = False,
) -> Record:
    """Release an account's company and credit code, if the rightful owner objects.

    Then approve the owner's sign-up.
    """
    owner = await get_account(session, account)
    code = await release_account_company(
        session, clock, CLI_ACTOR, owner.id, reason, suspend=suspend
    )
    return Record("Company released.", {"account": owner.name, "credit_code": code or ""})


def _review(settings: Settings, clock: Clock) -> SignupReview:
    """Build what reviews need from the settings."""
    policy = SignupPolicy.from_settings(settings)
    return SignupReview(clock, policy, build_messages(settings, clock), secret_key(settings))


def _table_row(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a sign-up's fields for a table: reasons as text."""
    return {**fields, "reasons": ", ".join(fields["reasons"])}


def _summary(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that matter after a review."""
    names = ("id", "status", "outcome", "company_name", "email", "account", "granted")
    return {name: fields[name] for name in names}
