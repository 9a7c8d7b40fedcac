"""Train on confirmed tags: the offer of a file, and its job."""

from dataclasses import dataclass
from uuid import UUID

import msgspec

from gateway.call.values import Principal
from gateway.dashboard.page_request import PageRequest
from gateway.fine_tuning.new_jobs import create_offered_job
from gateway.fine_tuning.offers import JobOffers
from gateway.identity.audit_log import record_audit_event
from gateway.registry import files
from gateway.wire.fine_tuning import parse_job_request
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Meter

_FILE_NAME = "confirmed-tags.jsonl"


@dataclass(frozen=True, slots=True)
class TagTraining:
    """What a training costs at most, in `currency`; None without a price.

    job_id: of the job, None if it was only priced.
    """

    seconds: int
    cost_nano: int | None
    currency: str
    job_id: UUID | None = None


async def train_tags(
    database: Database,
    clock: Clock,
    page: PageRequest,
    offers: JobOffers,
    principal: Principal,
    base: str,
    name: str,
    content: bytes,
    is_final: bool,
) -> TagTraining:
    """Store a training file and price its job; create the job if it is final.

    A file that was only priced is deleted again. Raises the errors of files, offers and jobs.
    """
    async with database.transaction() as session:
        row = await files.create_file(session, clock, page.account_id, _FILE_NAME, content)
    file_id = ids.format_id(files.PREFIX, row.id)
    is_used = False
    try:
        body = {"model": base, "training_file": file_id, "suffix": name}
        request = parse_job_request(msgspec.json.encode(body))
        offer = await offers.create_offer(principal, request, {})
        price = principal.model_prices[offer.model.id].prices.get(Meter.ADAPTATION_SECONDS)
        cost = None if price is None else price * offer.seconds
        if not is_final:
            return TagTraining(offer.seconds, cost, principal.currency)
        async with database.transaction() as session:
            job = await create_offered_job(
                session, clock, page.account_id, principal.key_id, request, offer
            )
            details = {"model": job.model}
            await record_audit_event(
                session, clock, page.actor, page.account_id, "model.trained", job.name, details
            )
        is_used = True
        return TagTraining(offer.seconds, cost, principal.currency, job.id)
    finally:
        if not is_used:
            async with database.transaction() as session:
                await files.delete_file(session, page.account_id, file_id)
