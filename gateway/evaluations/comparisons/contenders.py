"""The models of a comparison with their instances, as calls of `/v1/predictions`.

models -> declared inputs -> instances of the table -> request bodies of at most BATCH_ROWS
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.call.errors import ModelNotFound, ParameterInvalid, Unavailable
from gateway.call.values import Principal, ResolvedModel
from gateway.evaluations.comparisons.forecasts import (
    INSTANCES_PER_CALL,
    Origins,
    build_forecast_instances,
    is_forecaster,
    plan_origins,
)
from gateway.evaluations.comparisons.labelled_table import (
    LabelledInstances,
    LabelledTable,
    build_labelled_instances,
    read_labelled_table,
    with_day_order,
)
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.parsing import Parser
from gateway.registry.variants import pinned_id
from gateway.upstream.declared_inputs import fetch_declared_inputs
from gateway.upstream.model_metadata import ModelMetadata
from gateway.wire import body as bodies
from gateway.wire.own_models.comparisons import ComparisonRequest
from infra.errors import AppError
from models.adaptation import TrainingFileInvalid
from models.sentences import Sentence
from models.signature import InputInvalid
from models.tables.instances import ModelInput
from models.tables.series_lengths import group_by_length, last_steps

# Small enough that a response is stored for its Idempotency-Key, and that others' calls get a turn.
BATCH_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A request body with some instances of a model, and their positions among all."""

    positions: tuple[int, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """A model under its pinned id, with its instances, of which a call has at most so many."""

    model: str
    found: LabelledInstances
    per_call: int = BATCH_ROWS

    @property
    def calls(self) -> tuple[PlannedCall, ...]:
        """The calls that predict all instances, each with series of one length.

        Of more than MAX_LENGTHS lengths, some series are shortened a little.
        """
        instances = self.found.instances
        batches = (
            (length, members[start : start + self.per_call])
            for length, members in group_by_length(instances).items()
            for start in range(0, len(members), self.per_call)
        )
        return tuple(
            PlannedCall(
                tuple(batch), self.body([last_steps(instances[one], length) for one in batch])
            )
            for length, batch in batches
        )

    def body(self, instances: Sequence[Mapping[str, object]]) -> bytes:
        """Return the request body that predicts some instances."""
        units = dict(self.found.units)
        return bodies.encode_body({"model": self.model, "instances": instances, "units": units})


@dataclass(frozen=True, slots=True)
class ModelNote:
    """A note on how the table was read for a model."""

    model: str
    note: Sentence


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """A table, and the models with their instances: of the same rows for all.

    origins: from which forecasters forecast, None for other models.
    """

    labelled: LabelledTable
    models: tuple[PlannedModel, ...]
    origins: Origins | None = None

    @property
    def rows(self) -> int:
        """The number of rows that each model predicts."""
        return len(self.models[0].found.positions)

    @property
    def notes(self) -> tuple[ModelNote, ...]:
        """The notes on columns that may be inputs of a model under another name."""
        return tuple(ModelNote(one.model, note) for one in self.models for note in one.found.notes)


@dataclass(frozen=True, slots=True)
class _Found:
    """A model by the name of the request and by its pinned id, with its inputs."""

    name: str
    pinned: str
    inputs: Sequence[ModelInput]


class ContenderPlanner:
    """Plans the calls of comparisons in one gateway process."""

    def __init__(self, parser: Parser, metadata: ModelMetadata) -> None:
        self._parser = parser
        self._metadata = metadata
        # A table takes up to a second of CPU: read one at a time.
        self._semaphore = asyncio.Semaphore(1)

    async def plan(
        self, principal: Principal, request: ComparisonRequest, content: bytes
    ) -> ComparisonPlan:
        """Read the table for each model of a request.

        Raises ParameterInvalid with the field, the errors of models that cannot be called, and
        Unavailable if a model does not respond.
        """
        async with self._semaphore:
            try:
                labelled = await asyncio.to_thread(read_labelled_table, content, request)
                found = [await self._find(principal, name) for name in request.models]
                return await asyncio.to_thread(_plan_calls, labelled, request, found)
            except TrainingFileInvalid as error:
                raise ParameterInvalid(error.message, param="file") from error

    async def _find(self, principal: Principal, name: str) -> _Found:
        """Return a model with its inputs."""
        resolved = self._resolve(principal, name)
        inputs = await fetch_declared_inputs(self._metadata, resolved, principal.account_id)
        if inputs is None:
            raise Unavailable(f"The model {name[:200]!r} is not responding. Try again in a moment.")
        return _Found(name, pinned_name(resolved), [one.as_column() for one in inputs])

    def _resolve(self, principal: Principal, name: str) -> ResolvedModel:
        """Return the model of a name. Its errors name the request's field."""
        try:
            return self._parser.resolve_model(name, None, PREDICTIONS, principal)
        except ModelNotFound as error:
            raise ModelNotFound(error.message, param="models") from error
        except AppError as error:
            error.param = "models"
            raise


def pinned_name(resolved: ResolvedModel) -> str:
    """Return the name by which a model is called, with the version of an account's own."""
    if resolved.version is None:
        return resolved.public_name
    return pinned_id(resolved.public_name, resolved.version)


def _plan_calls(
    labelled: LabelledTable, request: ComparisonRequest, found: Sequence[_Found]
) -> ComparisonPlan:
    """Read the table for each model. Raises ParameterInvalid."""
    forecasters = [is_forecaster(one.inputs) for one in found]
    labelled = with_day_order(labelled, [each for one in found for each in one.inputs])
    origins = None
    if all(forecasters):
        origins = plan_origins(labelled, request, [one.inputs for one in found])
    elif any(forecasters):
        raise ParameterInvalid(
            "A forecaster can be compared with other forecasters only.", param="models"
        )
    models = tuple(_plan_model(labelled, request, one, origins) for one in found)
    _require_same_rows(models)
    return ComparisonPlan(labelled, models, origins)


def _plan_model(
    labelled: LabelledTable, request: ComparisonRequest, one: _Found, origins: Origins | None
) -> PlannedModel:
    """Read the table for one model. Raises ParameterInvalid."""
    mapped = request.columns.get(one.name, {})
    try:
        if origins is None:
            instances = build_labelled_instances(labelled, one.inputs, mapped)
            return PlannedModel(one.pinned, instances)
        forecasts = build_forecast_instances(labelled, origins, one.inputs, mapped, request.horizon)
        return PlannedModel(one.pinned, forecasts, INSTANCES_PER_CALL)
    except InputInvalid as error:
        message = f"For {one.name[:200]!r}: {error.message}"
        raise ParameterInvalid(message, param="file") from error


def _require_same_rows(models: Sequence[PlannedModel]) -> None:
    """Raise ParameterInvalid if one model predicts rows and another one series."""
    if any(one.found.positions != models[0].found.positions for one in models):
        raise ParameterInvalid(
            "These models cannot be compared on one table: some predict each row, others each "
            "machine.",
            param="models",
        )
