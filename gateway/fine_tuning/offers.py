"""Validate and quote fine-tuning jobs before they are queued.

Rejects invalid files and jobs that the account cannot pay for, and computes a job's time limit.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec
from uuid import UUID

from billing.money import nano_text
from gateway.call.errors import MaxCostExceeded, ParameterInvalid
from gateway.call.values import Principal
from gateway.fine_tuning.call import create_job_call
from gateway.fine_tuning.file_check import (
    TrainingFileCheck,
    TrainingFileRejected,
    check_training_file,
    render_file_check,
)
from gateway.fine_tuning.ready_made import ReadyMadeModels
from gateway.inference.admission import Admission, parse_max_cost
from gateway.quota.leaser import QuotaLeaser
from gateway.registry.files import find_file, read_content
from gateway.tables import Adaptation
from gateway.upstream.availability import Availability, find_catalog_model
from gateway.wire.fine_tuning import (
    JobRequest,
    build_fine_tuning_request,
    max_duration_s,
    parse_job_request,
    parse_schema,
    sensitivity_of,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog, Meter, Model, Task
from models.own_columns import require_appendable, require_runs
from models.signature import InputInvalid
from models.tables.schema import NO_SCHEMA, SchemaRequest

_Arguments = ParamSpec("_Arguments")


@dataclass(frozen=True, slots=True)
class JobOffer:
    """A validated job: its model, time limit in seconds and file check.

    `ready_made` proposes ready-made models to compare with, and their columns.
    """

    model: Model
    seconds: int
    file_check: TrainingFileCheck
    ready_made: Sequence[Mapping[str, Any]] = ()


class JobOffers:
    """Validates job requests and training files in one gateway process."""

    def __init__(
        self,
        catalog: Catalog,
        availability: Availability,
        clock: Clock,
        database: Database,
        admission: Admission,
        leaser: QuotaLeaser,
        ready_made: ReadyMadeModels,
        profile: str,
    ) -> None:
        self._catalog = catalog
        self._availability = availability
        self._clock = clock
        self._database = database
        self._admission = admission
        self._leaser = leaser
        self._ready_made = ready_made
        self._profile = profile
        # The largest files take a second of CPU and 100 MB of memory: check one at a time.
        self._check_semaphore = asyncio.Semaphore(1)

    async def create_offer(
        self,
        principal: Principal,
        request: JobRequest,
        headers: Mapping[bytes, bytes],
        likely_s: int | None = None,
    ) -> JobOffer:
        """Validate a job request; return its model, time limit and file check.

        `likely_s` is how long the training likely takes, if the file check does not estimate it.
        Raises the errors that would reject the job if it started now.
        """
        model = self._get_requested_model(request)
        file_check = await self.check_requested_file(principal.account_id, model, request)
        return JobOffer(
            model,
            await self._time_limit_s(principal, model, file_check, headers, likely_s),
            file_check,
            await self._ready_made.propose(model, principal.account_id, file_check.schema),
        )

    async def check_requested_file(
        self, account_id: UUID, model: Model, request: JobRequest
    ) -> TrainingFileCheck:
        """Check the training file of a job request.

        Raises FileNotFound, ParameterInvalid, TrainingFileRejected.
        """
        if model.task is not Task.TEXT_GENERATION and request.scrub:
            raise ParameterInvalid(
                "`scrub` is only supported for models that are trained on dialogues.", param="scrub"
            )
        if request.with_observations:
            _require_observable(require_appendable, model.adapter)
        schema = parse_schema(request.schema)
        found = await self.check_file(
            account_id, model, request.training_file, request.scrub, schema
        )
        if schema.ready_made is not None or request.with_observations:
            await self._require_suitable(account_id, model, request, schema)
        return found

    async def check_file(
        self,
        account_id: UUID,
        model: Model,
        file_id: str,
        scrub: bool = False,
        schema: SchemaRequest = NO_SCHEMA,
    ) -> TrainingFileCheck:
        """Check one of the account's files for a model; `scrub` removes personal data first.

        `schema` states the columns of a table. Raises FileNotFound, TrainingFileRejected.
        """
        async with self._check_semaphore:
            async with self._database.transaction() as session:
                file = await find_file(session, account_id, file_id)
                content = await read_content(session, account_id, file.id)
            return await asyncio.to_thread(
                check_training_file, model, content, account_id, self._profile, scrub, schema
            )

    async def render_file_check(
        self, account_id: UUID, model_id: str, file_id: str, schema: SchemaRequest = NO_SCHEMA
    ) -> dict[str, Any]:
        """Check a file for a model and return the result as JSON, valid or not.

        Raises ModelNotFound, ModelNotInstalled, FileNotFound, and ParameterInvalid if the model
        cannot be fine-tuned.
        """
        model = self._get_tunable_model(model_id)
        try:
            checked = await self.check_file(account_id, model, file_id, schema=schema)
        except TrainingFileRejected as error:
            return render_file_check(model, error)
        proposals = await self._ready_made.propose(model, account_id, checked.schema)
        return {**render_file_check(model, checked), "ready_made": proposals}

    async def render_quote_details(self, principal: Principal, body: bytes) -> dict[str, Any]:
        """Return a job quote's fields on examples, warnings, scrubbed data, likely time and cost.

        Raises the errors of `check_requested_file`.
        """
        request = parse_job_request(body)
        model = self._get_requested_model(request)
        file_check = await self.check_requested_file(principal.account_id, model, request)
        estimated, model_prices = file_check.estimated_seconds, principal.model_prices.get(model.id)
        price = None if model_prices is None else model_prices.prices.get(Meter.ADAPTATION_SECONDS)
        has_cost = estimated is not None and price is not None
        return {
            "examples": file_check.training_examples,
            "held_out": file_check.held_out,
            "warnings": list(map(str, file_check.warnings)),
            "schema": file_check.schema,
            "scrubbed": dict(file_check.pii_counts),
            "likely_seconds": estimated,
            "likely_cost": nano_text((estimated or 0) * (price or 0)) if has_cost else None,
        }

    async def _require_suitable(
        self, account_id: UUID, model: Model, request: JobRequest, schema: SchemaRequest
    ) -> None:
        """Raise ParameterInvalid unless a file fits its ready-made model and observed results."""
        async with self._check_semaphore:
            async with self._database.transaction() as session:
                file = await find_file(session, account_id, request.training_file)
                content = await read_content(session, account_id, file.id)
            await self._ready_made.require_mapped(account_id, model, content, schema)
            if request.with_observations:
                check = partial(_require_observable, require_runs, model.adapter, content, schema)
                await asyncio.to_thread(check)

    async def require_acceptance_affordable(self, principal: Principal, job: Adaptation) -> None:
        """Raise unless the account can pay for the training of a job whose model is accepted."""
        model = self._get_tunable_model(job.model)
        await self._require_affordable(principal, model, job.seconds or 0, {})

    def _get_requested_model(self, request: JobRequest) -> Model:
        """Return the served model of a job, which accepts the settings that the job has.

        Raises ModelNotFound, ModelNotInstalled, ParameterInvalid.
        """
        model = self._get_tunable_model(request.model)
        build_fine_tuning_request(
            model, b"", sensitivity=sensitivity_of(request), schema=request.schema
        )
        return model

    def _get_tunable_model(self, name: str) -> Model:
        """Return a served model that can be fine-tuned.

        Raises ModelNotFound, ModelNotInstalled, ParameterInvalid.
        """
        model = find_catalog_model(self._catalog, name)
        self._availability.require_served(model)
        build_fine_tuning_request(model, b"")
        return model

    async def _time_limit_s(
        self,
        principal: Principal,
        model: Model,
        file_check: TrainingFileCheck,
        headers: Mapping[bytes, bytes],
        likely_s: int | None,
    ) -> int:
        """Return the training's time limit in seconds: the model's, or less to fit X-Max-Cost.

        This is the maximum of the model, or what X-Max-Cost pays for if that is likely enough.
        """
        try:
            return await self._require_affordable(principal, model, max_duration_s(model), headers)
        except MaxCostExceeded:
            estimated = file_check.estimated_seconds or likely_s
            price = principal.model_prices[model.id].prices[Meter.ADAPTATION_SECONDS]
            seconds = (parse_max_cost(headers) or 0) // price
            if estimated is None or seconds < estimated:
                raise
            return await self._require_affordable(principal, model, seconds, headers)

    async def _require_affordable(
        self, principal: Principal, model: Model, seconds: int, headers: Mapping[bytes, bytes]
    ) -> int:
        """Raise unless quota for `seconds` of training can be reserved. Returns `seconds`.

        The reservation is released at once.
        """
        call = create_job_call(self._clock, ids.new_id(), headers)
        parsed_request = build_fine_tuning_request(model, b"", seconds)
        admitted = await self._admission.admit(call, principal, parsed_request)
        self._leaser.release(admitted.reservation)
        return seconds


def _require_observable(
    check: Callable[_Arguments, None], *arguments: _Arguments.args, **named: _Arguments.kwargs
) -> None:
    """Run a check for observed results. Raises ParameterInvalid where it raises InputInvalid."""
    try:
        check(*arguments, **named)
    except InputInvalid as error:
        raise ParameterInvalid(error.message, param="with_observations") from error
