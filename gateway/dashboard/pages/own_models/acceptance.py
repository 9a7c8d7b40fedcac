"""Acceptance of a rejected model on the page of its training job: key, cost, who accepted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import list_keys
from gateway.access.authenticator import Authenticator
from gateway.call.values import SignedInCaller
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys, load_principal
from gateway.fine_tuning import acceptance
from gateway.fine_tuning.offers import JobOffers
from gateway.identity.audit_log import PERSON_ID_PREFIX, record_audit_event
from gateway.identity.people import get_person_names
from gateway.tables import Adaptation, AdaptationStatus
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Meter


@dataclass(frozen=True, slots=True)
class Candidate:
    """What accepting a rejected model costs, and the keys that can pay, as values of a choice.

    cost_nano: None if the account has no such price.
    """

    keys: Sequence[tuple[str, str]]
    cost_nano: int | None
    currency: str


async def load_candidate(
    page: PageRequest,
    database: Database,
    clock: Clock,
    authenticator: Authenticator,
    job: Adaptation,
) -> Candidate | None:
    """Return the job's rejected model; None if it has none that can be accepted now."""
    if job.candidate_until is None or job.candidate_until <= clock.now():
        return None
    if job.status != AdaptationStatus.FAILED:
        return None
    keys = await list_active_keys(page, database, clock)
    if not keys:
        return Candidate((), None, "")
    caller = SignedInCaller(page.account_id, keys[0].id)
    principal = (await authenticator.identify_key(caller, clock.now())).principal
    priced = principal.model_prices.get(job.model)
    price = None if priced is None else priced.prices.get(Meter.ADAPTATION_SECONDS)
    cost = None if price is None else price * (job.seconds or 0)
    choices = key_choices(keys)
    return Candidate(choices, cost, principal.currency)


async def accept_model(
    page: PageRequest,
    database: Database,
    clock: Clock,
    authenticator: Authenticator,
    offers: JobOffers,
    job: str,
    fields: Mapping[str, str],
) -> None:
    """Accept the rejected model of a job for the signed-in person and record it.

    Raises PageNotFound for another account's key, and the errors of an acceptance.
    """
    account_id, key = page.account_id, fields.get("key", "")
    async with database.transaction() as session:
        await acceptance.find_candidate(session, clock, account_id, job)
    principal = await load_principal(page, database, clock, authenticator, key)
    async with database.transaction() as session:
        row = await acceptance.accept_job(
            session, clock, account_id, job, page.actor.public_id, principal.key_id
        )
        await offers.require_acceptance_affordable(principal, row)
        details = acceptance.audit_details(row)
        await record_audit_event(
            session, clock, page.actor, account_id, "model.accepted", row.name, details
        )


async def actor_name(session: AsyncSession, account_id: UUID, actor: str | None) -> str | None:
    """Return the name of the person or API key with a public id; None for the operator."""
    person_id = ids.parse_id(PERSON_ID_PREFIX, actor or "")
    if person_id is not None:
        return (await get_person_names(session, [person_id])).get(person_id, actor)
    key_id = ids.parse_id(KEY_PREFIX, actor or "")
    names = {key.id: key.name for key in await list_keys(session, account_id)} if key_id else {}
    return names.get(key_id, actor) if key_id else actor
