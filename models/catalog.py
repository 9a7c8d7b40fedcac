"""The model catalog: models with their tasks, weights, list prices and routes, read from TOML."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from infra.errors import AppError
from models.reasoning import parse_budgets

CATALOG_FILE = Path(__file__).with_name("catalog.toml")
_NANO = Decimal(10) ** 9
# The model id that lets the gateway select a model.
AUTO = "auto"
_MAX_NANO_PRICE = 10**15  # a million per unit; higher prices are typing errors
_NO_BUDGETS: Mapping[str, int] = MappingProxyType({})
# Kinds of weights that need the engine of a base.
_ON_BASE = frozenset({"adapter", "base"})


class CatalogInvalid(AppError):
    """The catalog file cannot be read or has an invalid entry."""

    code = "catalog_invalid"


class Task(StrEnum):
    """A model's task, which decides the endpoints that accept it."""

    TEXT_GENERATION = "text-generation"
    EMBEDDING = "embedding"
    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    CALCULATION = "calculation"
    ALIGNMENT = "alignment"
    ANOMALY_DETECTION = "anomaly-detection"
    IMAGE_CLASSIFICATION = "image-classification"


# Tasks of the Open Inference Protocol and `/v1/predictions`: rows with named columns.
SPECIALIST_TASKS = frozenset(
    {
        Task.CLASSIFICATION,
        Task.REGRESSION,
        Task.CALCULATION,
        Task.ALIGNMENT,
        Task.ANOMALY_DETECTION,
        Task.IMAGE_CLASSIFICATION,
    }
)


class Meter(StrEnum):
    """A billed unit of usage.

    `cached_input_tokens` are a part of `input_tokens` with their own price.
    """

    INPUT_TOKENS = "input_tokens"
    CACHED_INPUT_TOKENS = "cached_input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    ROWS = "rows"
    IMAGES = "images"
    ADAPTATION_SECONDS = "adaptation_seconds"


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a model's weights come from.

    kind: `gguf-package` (a Python package with a GGUF file in parts), `hub` (a Hugging Face id or a
    local path), `artefact` (a file below `models/`), `adapter` (a folder below `models/` with a
    LoRA adapter for the engine of its `base`), `base` (the weights of its `base`),
    `mechanism` (a formula of `models/mechanisms/`, without weights), `fitted` (each customer fits
    its own), `vision-package` (an optional Python package with a backbone, for which each customer
    fits a head), `encoder-package` (an optional Python package with an encoder and its tokenizer,
    models/multilingual.py). Optional models are served where their package is installed.
    `source` is empty for `base` and `fitted`.
    """

    kind: str
    source: str
    sha256: str | None = None
    chat_template: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """When the model `auto` selects this model: by a text's task or by column names.

    `task` is predicted by models/routing; a specialist without it is not selected by text.
    `inputs` are the specialist's columns, of which `optional` ones may be missing. A model without
    `inputs` is not selected by columns.
    """

    task: str | None = None
    inputs: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()

    def accepts(self, columns: frozenset[str]) -> bool:
        """Return whether a request's columns include all required ones and no unknown ones."""
        return self.inputs <= columns <= self.inputs | self.optional


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The prefixes that an embedding model was trained with, for queries and for passages."""

    query: str = ""
    passage: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """A model in the catalog.

    `prices[currency][meter]` are nano-units per unit. `base` is the model whose engine serves it,
    with or without a LoRA adapter; None if it has its own engine. `adapter` is the fine-tuning
    method (serving/training/fine_tune_task.py); None if customers cannot fine-tune it. A model
    without `route` is only used by name. `latency_ms` is typical for one row, or for the first
    token of a short prompt; None if not measured. `fallbacks` are substitute models in order. The
    first model with `retrieval` computes the embeddings of vector stores. `reasoning` are the most
    tokens that it reasons with, by effort; empty if it cannot reason.
    """

    id: str
    task: Task
    profiles: tuple[str, ...]
    description: str
    licence: str
    weights: Weights
    prices: Mapping[str, Mapping[str, int]]
    context_length: int | None = None
    concurrency: int | None = None
    base: str | None = None
    adapter: str | None = None
    route: Route | None = None
    latency_ms: int | None = None
    fallbacks: tuple[str, ...] = ()
    retrieval: Retrieval | None = None
    reasoning: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    engine: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if self.id == AUTO:
            raise ValueError(f"{AUTO!r} is reserved for model selection")
        if self.counts_images and self._has_price(Meter.ROWS):
            raise ValueError(
                "a model must be priced by rows or by images, the same in all currencies"
            )
        if self.retrieval is not None and (
            self.task is not Task.EMBEDDING or self.context_length is None
        ):
            raise ValueError(
                "retrieval is only allowed for an embedding model with a context length"
            )

    @property
    def engine_id(self) -> str:
        """Return the id of the model whose engine runs this one: an adapter's base, else itself.

        Tokenizer and concurrency are the engine's.
        """
        return self.base or self.id

    @property
    def counts_images(self) -> bool:
        """Whether the model is billed by image rather than by row."""
        return self._has_price(Meter.IMAGES)

    def _has_price(self, meter: Meter) -> bool:
        """Return whether any currency has a price for the meter."""
        return any(meter in prices for prices in self.prices.values())


@dataclass(frozen=True, slots=True)
class Catalog:
    """The models of one profile by id, and the replacement of each retired model by its id."""

    models: Mapping[str, Model]
    retired: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def find(self, model_id: str) -> Model | None:
        """Return the model with this id, or None."""
        return self.models.get(model_id)

    def filter(self, is_included: Callable[[Model], bool]) -> "Catalog":
        """Return a catalog of the models for which the predicate is true."""
        included = {key: model for key, model in self.models.items() if is_included(model)}
        return Catalog(MappingProxyType(included), self.retired)

    def with_task(self, task: Task) -> tuple[Model, ...]:
        """Return the models with this task."""
        return tuple(model for model in self.models.values() if model.task is task)


def load_catalog(profile: str, path: Path = CATALOG_FILE) -> Catalog:
    """Load the models of a profile from the catalog file.

    Raises CatalogInvalid with the invalid entry and field.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CatalogInvalid(f"The catalog {path.name} is not valid: {error}") from error
    entries = [_parse_model(entry) for entry in document.get("model", [])]
    _validate_repeated_ids(entries)
    by_id = {model.id: model for model in entries}
    for model in entries:
        _validate_fallbacks(model, by_id)
        _validate_base(model, entries)
        _validate_reasoning(model, entries)
    retired = _parse_retired(document, by_id)
    served = {model.id: model for model in entries if profile in model.profiles}
    if not served:
        raise CatalogInvalid(f"The catalog has no model for the profile {profile!r}.")
    return Catalog(MappingProxyType(served), retired)


def _validate_repeated_ids(entries: Sequence[Model]) -> None:
    """Raise CatalogInvalid if entries of one id share a profile or differ in task or prices.

    A customer calls a model by its id in every profile, so it must be the same product.
    """
    for number, model in enumerate(entries):
        for other in entries[:number]:
            if other.id != model.id:
                continue
            if not set(model.profiles).isdisjoint(other.profiles):
                raise CatalogInvalid(
                    f"The catalog contains the model {model.id!r} twice in one profile."
                )
            if (model.task, model.prices) != (other.task, other.prices):
                raise CatalogInvalid(
                    f"The catalog entries of {model.id!r} must have the same task and prices in "
                    "every profile."
                )


def _parse_model(entry: dict[str, Any]) -> Model:
    """Parse a catalog entry. Raises CatalogInvalid."""
    name = entry.get("id", "without an id")
    try:
        return Model(
            id=entry["id"],
            task=Task(entry["task"]),
            profiles=tuple(entry["profiles"]),
            description=entry["description"],
            licence=entry["licence"],
            weights=Weights(**entry["weights"]),
            prices=_parse_prices(entry["meters"]),
            context_length=entry.get("context_length"),
            concurrency=entry.get("concurrency"),
            base=entry.get("base"),
            adapter=entry.get("adapter"),
            route=_parse_auto_route(entry["route"]) if "route" in entry else None,
            latency_ms=entry.get("latency_ms"),
            fallbacks=tuple(entry.get("fallbacks", ())),
            retrieval=Retrieval(**entry["retrieval"]) if "retrieval" in entry else None,
            reasoning=parse_budgets(entry["reasoning"]) if "reasoning" in entry else _NO_BUDGETS,
            engine=MappingProxyType(dict(entry.get("engine", {}))),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise CatalogInvalid(f"The catalog entry {name!r} is not valid: {error}") from error


def _parse_auto_route(route: dict[str, Any]) -> Route:
    """Parse an entry's TOML table `route`: when `auto` selects the model. Raises ValueError."""
    inputs, optional = (frozenset(route.get(key, ())) for key in ("inputs", "optional"))
    if not inputs and "task" not in route:
        raise ValueError("a route must have a task or inputs")
    return Route(route.get("task"), inputs, optional)


def _validate_base(model: Model, entries: Sequence[Model]) -> None:
    """Raise CatalogInvalid if a model's base, engine settings or profiles are invalid."""
    if (model.base is None) != (model.weights.kind not in _ON_BASE):
        raise CatalogInvalid(
            f"The catalog entry {model.id!r}: an adapter needs a base, and only an "
            "adapter can have one."
        )
    if model.base is None:
        return
    base = _find_base(model, entries)
    if base is None or base.task is not Task.TEXT_GENERATION or base.base is not None:
        raise CatalogInvalid(
            f"The catalog entry {model.id!r} has the base {model.base!r}, which is not a "
            "text model with its own engine."
        )
    if model.engine or model.concurrency or not set(model.profiles) <= set(base.profiles):
        raise CatalogInvalid(
            f"The catalog entry {model.id!r} runs on the engine of {base.id!r} and must "
            "not set engine, concurrency or profiles."
        )


def _find_base(model: Model, entries: Sequence[Model]) -> Model | None:
    """Return the entry of the model's base in the model's profiles; None if there is none."""
    bases = [entry for entry in entries if entry.id == model.base]
    sharing = (one for one in bases if not set(one.profiles).isdisjoint(model.profiles))
    return next(sharing, bases[0] if bases else None)


def _validate_reasoning(model: Model, entries: Sequence[Model]) -> None:
    """Raise CatalogInvalid if a model may reason on an engine that does not report reasoning.

    Without a parser its thoughts would be a part of the answer.
    """
    if not model.reasoning:
        return
    engine = model if model.base is None else _find_base(model, entries) or model
    if model.task is not Task.TEXT_GENERATION or not engine.engine.get("reasoning_parser"):
        raise CatalogInvalid(
            f"The catalog entry {model.id!r} has `reasoning`, so it must be a text model whose "
            "engine sets `reasoning_parser`."
        )


def _parse_retired(document: Mapping[str, Any], models: Mapping[str, Model]) -> Mapping[str, str]:
    """Return the replacing model's id by retired model id. Raises CatalogInvalid.

    A replacement is a model of the catalog, of any profile; a retired id is not.
    """
    retired = dict(document.get("retired", {}))
    for name, replacement in retired.items():
        if name in models or replacement not in models:
            raise CatalogInvalid(
                f"The catalog retires {name!r} in favour of {replacement!r}: the first must not be "
                "a model of the catalog, the second must be one."
            )
    return MappingProxyType(retired)


def _validate_fallbacks(model: Model, models: Mapping[str, Model]) -> None:
    """Raise CatalogInvalid if a fallback does not accept the same requests."""
    for name in model.fallbacks:
        fallback = models.get(name)
        if fallback is None or name == model.id or not _accept_same_requests(model, fallback):
            raise CatalogInvalid(
                f"The catalog entry {model.id!r} is not valid: {name!r} is not another model "
                "that accepts the same requests."
            )


def _accept_same_requests(model: Model, other: Model) -> bool:
    """Return whether two models have the same task and the same columns."""
    no_route = Route()
    route, other_route = (entry.route or no_route for entry in (model, other))
    has_same_columns = (route.inputs, route.optional) == (other_route.inputs, other_route.optional)
    return model.task is other.task and has_same_columns


def _parse_prices(meters: dict[str, dict[str, Any]]) -> Mapping[str, Mapping[str, int]]:
    """Convert list prices by meter to nano-units by currency and meter."""
    prices: dict[str, dict[str, int]] = {}
    for meter, row in meters.items():
        for currency, amount in row.items():
            if currency != "per":
                prices.setdefault(currency, {})[Meter(meter)] = _to_nano_units(amount, row["per"])
    return MappingProxyType({key: MappingProxyType(value) for key, value in prices.items()})


def _to_nano_units(amount: str, per: int) -> int:
    """Convert a price per `per` units to nano-units per unit. Raises ValueError."""
    nano = Decimal(amount) * _NANO / per
    if not 0 <= nano <= _MAX_NANO_PRICE or nano != nano.to_integral_value():
        raise ValueError(
            f"the price {amount} for {per} is not a whole number of nano-units per unit"
        )
    return int(nano)
