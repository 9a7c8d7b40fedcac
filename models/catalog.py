"""The catalog: which models are sold, how they are served and at what list price."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from infra.errors import AppError

CATALOG_FILE = Path(__file__).with_name("catalog.toml")
_NANO = Decimal(10) ** 9
# Who asks for it leaves the choice to us.
AUTO = "auto"
_DEAREST = 10**15  # a million for one unit: anything above is a slip of the pen


class CatalogInvalid(AppError):
    """The catalog file cannot be read as one, or says something that cannot be sold."""

    code = "catalog_invalid"


class Task(StrEnum):
    """What a model does; decides which endpoints accept it."""

    TEXT_GENERATION = "text-generation"
    EMBEDDING = "embedding"
    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    CALCULATION = "calculation"
    ALIGNMENT = "alignment"
    ANOMALY_DETECTION = "anomaly-detection"
    IMAGE_CLASSIFICATION = "image-classification"


# What the Open Inference Protocol and `/v1/predictions` speak to: rows with named columns.
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
    """What is counted. `cached_input_tokens` are a part of `input_tokens`, priced apart."""

    INPUT_TOKENS = "input_tokens"
    CACHED_INPUT_TOKENS = "cached_input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    ROWS = "rows"
    IMAGES = "images"
    ADAPTATION_SECONDS = "adaptation_seconds"


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a model's weights come from.

    kind: `gguf-package` (a Python package with a GGUF in parts), `hub` (a Hugging Face id or a
    local path), `onnx-package` (a Python package with `model.onnx`), `artefact` (a file below
    `models/`), `adapter` (a folder below `models/` with an adapter of low rank for the engine of
    its `base`), `mechanism` (a formula of `models/mechanisms/`, which has none), `fitted` (each
    customer fits its own), `vision-package` (an optional Python package with a backbone, on which
    each customer fits its own head), `encoder-package` (an optional Python package with an encoder
    and its tokenizer, models/multilingual.py). What is optional is served where it is installed.
    """

    kind: str
    source: str
    sha256: str | None = None
    chat_template: str | None = None
    tokenizer: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """What `auto` chooses a model for: a task that models/routing tells from a text, and the names
    of the columns that a specialist takes, of which rows may lack the `optional`. Without `inputs`
    it cannot be chosen by columns."""

    task: str
    inputs: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()

    def takes(self, columns: frozenset[str]) -> bool:
        return self.inputs <= columns <= self.inputs | self.optional


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How an embedding model is asked where texts are to be found: what it was trained to see
    before a question, and before a text that may answer it."""

    query: str = ""
    passage: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the catalog. `prices[currency][meter]` is in nano-units for one unit.

    `base` is the model on whose engine it answers, by an adapter of low rank; None where it has an
    engine of its own. `adapter` names how customers adapt it (serving/training/fine_tune_task.py);
    None where they cannot. Without a `route` it is never chosen, only named. `latency_ms` is
    typical for one row, or for the first token of a short prompt; None where nobody measured it.
    `fallbacks` stand in for it, in order. The first with `retrieval` makes the vectors of
    knowledge.
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
    engine: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if self.id == AUTO:
            raise ValueError(f"{AUTO!r} is no model, but asks for one to be chosen")
        if self.counts_images and self._has_price(Meter.ROWS):
            raise ValueError("a model is sold by rows or by images, in every currency alike")
        if self.retrieval is not None and (
            self.task is not Task.EMBEDDING or self.context_length is None
        ):
            raise ValueError("retrieval is an embedding model's, with a context length")

    @property
    def engine_id(self) -> str:
        """The model whose engine generates for it: that counts, and has only so many slots."""
        return self.base or self.id

    @property
    def counts_images(self) -> bool:
        """Whether what it judges is counted, and sold, as pictures rather than as rows."""
        return self._has_price(Meter.IMAGES)

    def _has_price(self, meter: Meter) -> bool:
        return any(meter in prices for prices in self.prices.values())


@dataclass(frozen=True, slots=True)
class Catalog:
    """The models of one profile, by id."""

    models: Mapping[str, Model]

    def find(self, model_id: str) -> Model | None:
        return self.models.get(model_id)

    def only(self, kept: Callable[[Model], bool]) -> "Catalog":
        """The same without the models of which `kept` says no."""
        some = {key: model for key, model in self.models.items() if kept(model)}
        return Catalog(MappingProxyType(some))

    def with_task(self, task: Task) -> tuple[Model, ...]:
        return tuple(model for model in self.models.values() if model.task is task)


def load_catalog(profile: str, path: Path = CATALOG_FILE) -> Catalog:
    """Read the models that `profile` serves.

    Raises CatalogInvalid with the entry and the field that is wrong.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CatalogInvalid(f"The catalog {path.name} cannot be read: {error}") from error
    models: dict[str, Model] = {}
    for entry in document.get("model", []):
        model = _model(entry)
        if model.id in models:
            raise CatalogInvalid(f"The catalog names the model {model.id!r} twice.")
        models[model.id] = model
    for model in models.values():
        _require_fallbacks(model, models)
        _require_base(model, models)
    served = {key: model for key, model in models.items() if profile in model.profiles}
    if not served:
        raise CatalogInvalid(f"The catalog holds no model for the profile {profile!r}.")
    return Catalog(MappingProxyType(served))


def _model(entry: dict[str, Any]) -> Model:
    name = entry.get("id", "without an id")
    try:
        return Model(
            id=entry["id"],
            task=Task(entry["task"]),
            profiles=tuple(entry["profiles"]),
            description=entry["description"],
            licence=entry["licence"],
            weights=Weights(**entry["weights"]),
            prices=_prices(entry["meters"]),
            context_length=entry.get("context_length"),
            concurrency=entry.get("concurrency"),
            base=entry.get("base"),
            adapter=entry.get("adapter"),
            route=_route(entry["route"]) if "route" in entry else None,
            latency_ms=entry.get("latency_ms"),
            fallbacks=tuple(entry.get("fallbacks", ())),
            retrieval=Retrieval(**entry["retrieval"]) if "retrieval" in entry else None,
            engine=MappingProxyType(dict(entry.get("engine", {}))),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise CatalogInvalid(f"The catalog entry {name!r} is wrong: {error}") from error


def _route(route: dict[str, Any]) -> Route:
    inputs, optional = (frozenset(route.get(key, ())) for key in ("inputs", "optional"))
    return Route(route["task"], inputs, optional)


def _require_base(model: Model, models: Mapping[str, Model]) -> None:
    if (model.base is None) != (model.weights.kind != "adapter"):
        raise CatalogInvalid(f"The catalog entry {model.id!r}: an adapter has a base, only it has.")
    if model.base is None:
        return
    base = models.get(model.base)
    if base is None or base.task is not Task.TEXT_GENERATION or base.base is not None:
        raise CatalogInvalid(
            f"The catalog entry {model.id!r} has the base {model.base!r}, which is no text model "
            "with an engine of its own."
        )
    if model.engine or model.concurrency or not set(model.profiles) <= set(base.profiles):
        raise CatalogInvalid(
            f"The catalog entry {model.id!r} answers on the engine of {base.id!r}: engine, "
            "concurrency and profiles are that one's."
        )


def _require_fallbacks(model: Model, models: Mapping[str, Model]) -> None:
    """What stands in for a model takes the same requests. Raises CatalogInvalid."""
    for name in model.fallbacks:
        other = models.get(name)
        if other is None or other is model or not _alike(model, other):
            raise CatalogInvalid(
                f"The catalog entry {model.id!r} is wrong: {name!r} is no other model that takes "
                "the same requests."
            )


def _alike(model: Model, other: Model) -> bool:
    nothing = Route("")
    ours, theirs = (one.route or nothing for one in (model, other))
    same = (ours.inputs, ours.optional) == (theirs.inputs, theirs.optional)
    return model.task is other.task and same


def _prices(meters: dict[str, dict[str, Any]]) -> Mapping[str, Mapping[str, int]]:
    prices: dict[str, dict[str, int]] = {}
    for meter, row in meters.items():
        for currency, amount in row.items():
            if currency != "per":
                prices.setdefault(currency, {})[Meter(meter)] = _nano(amount, row["per"])
    return MappingProxyType({key: MappingProxyType(value) for key, value in prices.items()})


def _nano(amount: str, per: int) -> int:
    nano = Decimal(amount) * _NANO / per
    if not 0 <= nano <= _DEAREST or nano != nano.to_integral_value():
        raise ValueError(f"the price {amount} for {per} is no whole number of nano-units a unit")
    return int(nano)
