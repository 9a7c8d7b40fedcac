"""What a job would be and cost, before it is queued.

Owns that a file which cannot be learned from, and a job that cannot be paid for, are refused at
once, and for how long a job may learn.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from billing.money import nano_text
from gateway.call.errors import MaxCostExceeded, ModelNotFound, ParameterInvalid
from gateway.call.values import Principal
from gateway.fine_tuning.call import call_of
from gateway.fine_tuning.file_check import Examined, TrainingFileRefused, check_json, examine
from gateway.inference.admission import Admission, max_cost
from gateway.quota.leaser import Lender
from gateway.registry.files import content_of, find_file
from gateway.upstream.availability import Availability
from gateway.wire.fine_tuning import (
    JobRequest,
    ask_adaptation,
    most_seconds,
    read_job,
    sensitivity_of,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog, Meter, Model, Task


@dataclass(frozen=True, slots=True)
class Offer:
    """A job as it would run: for `seconds` at most, which is what is held."""

    model: Model
    seconds: int
    examined: Examined


class Offers:
    """Of one gateway process."""

    def __init__(
        self,
        catalog: Catalog,
        availability: Availability,
        clock: Clock,
        database: Database,
        admission: Admission,
        lender: Lender,
        profile: str,
    ) -> None:
        self._catalog = catalog
        self._availability = availability
        self._clock = clock
        self._database = database
        self._admission = admission
        self._lender = lender
        self._profile = profile
        # A file of the largest kind is a second's work, and 100 MB while it lasts.
        self._reading = asyncio.Semaphore(1)

    async def offer(
        self, principal: Principal, wanted: JobRequest, headers: Mapping[bytes, bytes]
    ) -> Offer:
        """Raises what the job would be refused for, if it began now."""
        model = self._model(wanted.model, sensitivity_of(wanted))
        examined = await self.examined(principal.account_id, model, wanted)
        return Offer(model, await self._seconds(principal, model, examined, headers), examined)

    async def examined(self, account_id: UUID, model: Model, wanted: JobRequest) -> Examined:
        """Raises FileNotFound, TrainingFileRefused."""
        if model.task is not Task.TEXT_GENERATION and wanted.scrub:
            raise ParameterInvalid(
                "`scrub` is for dialogues, of which this model has none.", param="scrub"
            )
        return await self.read(account_id, model, wanted.training_file, wanted.scrub)

    async def read(
        self, account_id: UUID, model: Model, file_id: str, scrub: bool = False
    ) -> Examined:
        """One of the account's files for a model. Raises FileNotFound, TrainingFileRefused."""
        async with self._reading:
            async with self._database.transaction() as session:
                file = await find_file(session, account_id, file_id)
                content = await content_of(session, account_id, file.id)
            return await asyncio.to_thread(
                examine, model, content, account_id, self._profile, scrub
            )

    async def check(self, account_id: UUID, model_id: str, file_id: str) -> dict[str, Any]:
        """Everything that is wrong with a file for a model. Raises ModelNotFound,
        ModelNotInstalled, FileNotFound, and ParameterInvalid where the model cannot be adapted."""
        model = self._model(model_id)
        try:
            return check_json(model, await self.read(account_id, model, file_id))
        except TrainingFileRefused as refused:
            return check_json(model, refused)

    async def foreseen(self, principal: Principal, body: bytes) -> dict[str, Any]:
        """What a quote says of a job beside its price. Raises as `examined` does."""
        wanted = read_job(body)
        model = self._model(wanted.model, sensitivity_of(wanted))
        examined = await self.examined(principal.account_id, model, wanted)
        likely, priced = examined.likely_seconds, principal.contract.get(model.id)
        price = None if priced is None else priced.prices.get(Meter.ADAPTATION_SECONDS)
        known = likely is not None and price is not None
        return {
            "examples": examined.learned,
            "held_out": examined.apart,
            "warnings": list(examined.doubts),
            "scrubbed": dict(examined.scrubbed),
            "likely_seconds": likely,
            "likely_cost": nano_text((likely or 0) * (price or 0)) if known else None,
        }

    def _model(self, name: str, sensitivity: float | None = None) -> Model:
        """Raises ModelNotFound, ModelNotInstalled, ParameterInvalid."""
        model = self._catalog.find(name)
        if model is None:
            raise ModelNotFound(f"The model {name[:100]!r} does not exist.", param="model")
        self._availability.require(model)
        ask_adaptation(model, b"", sensitivity=sensitivity)
        return model

    async def _seconds(
        self,
        principal: Principal,
        model: Model,
        examined: Examined,
        headers: Mapping[bytes, bytes],
    ) -> int:
        """For how long it may learn: as long as any may, or as X-Max-Cost pays for, if that is
        likely to be enough."""
        try:
            return await self._held(principal, model, most_seconds(model), headers)
        except MaxCostExceeded:
            likely = examined.likely_seconds
            price = principal.contract[model.id].prices[Meter.ADAPTATION_SECONDS]
            seconds = (max_cost(headers) or 0) // price
            if likely is None or seconds < likely:
                raise
            return await self._held(principal, model, seconds, headers)

    async def _held(
        self, principal: Principal, model: Model, seconds: int, headers: Mapping[bytes, bytes]
    ) -> int:
        """Hold the price of that and let it go again."""
        call = call_of(self._clock, ids.new_id(), headers)
        ask = ask_adaptation(model, b"", seconds)
        ticket = await self._admission.admit(call, principal, ask)
        self._lender.give_back(ticket.hold)
        return seconds
