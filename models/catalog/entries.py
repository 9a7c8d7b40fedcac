"""A model of the catalog: task, weights, list prices, costs and routes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

# The model id that lets the gateway select a model.
AUTO = "auto"
# The kind of weights of a model that only upstreams serve (models/catalog/upstreams.py).
EXTERNAL = "external"
# The kind of weights that are a GGUF file, which is downloaded and converted.
GGUF = "gguf"
WEIGHT_KINDS = frozenset(
    {
        *(GGUF, "gguf-package", "hub", "artefact", "adapter", "base", "mechanism", "fitted"),
        *("vision-package", "encoder-package", EXTERNAL),
    }
)
# Kinds of weights that need the engine of a base.
ON_BASE = frozenset({"adapter", "base"})
Prices = Mapping[str, Mapping[str, int]]
"""Nano-units per unit, by currency and meter."""


class Task(StrEnum):
    """A model's task, which decides the endpoints that accept it."""

    TEXT_GENERATION = "text-generation"
    EMBEDDING = "embedding"
    RERANK = "rerank"
    MODERATION = "moderation"
    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    CALCULATION = "calculation"
    ALIGNMENT = "alignment"
    ANOMALY_DETECTION = "anomaly-detection"
    IMAGE_CLASSIFICATION = "image-classification"


class GuardFormat(StrEnum):
    """How a moderation model is asked: by `/v1/moderations`, or by a chat.

    The answer to the chat is a verdict in the form of Llama Guard or of Qwen3Guard.
    """

    MODERATIONS = "moderations"
    LLAMA_GUARD = "llama-guard"
    QWEN_GUARD = "qwen-guard"

    @property
    def is_chat(self) -> bool:
        """Whether the model is asked by a chat, one text in each."""
        return self is not GuardFormat.MODERATIONS


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
    READINGS = "readings"


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a model's weights come from.

    kind: `gguf` (a GGUF file of a hub, of Python packages or of this machine, which is converted),
    `gguf-package` (an installed Python package with a GGUF file in parts), `hub` (a Hugging Face id
    or a local path), `artefact` (a file below `models/`), `adapter` (a folder below `models/` with
    a LoRA adapter for the engine of its `base`), `base` (the weights of its `base`), `mechanism` (a
    formula of `models/mechanisms/`, without weights), `fitted` (each customer fits its own),
    `vision-package` (an optional Python package with a backbone, for which each customer fits a
    head), `encoder-package` (an optional Python package with an encoder and its tokenizer,
    models/multilingual.py), `external` (served by upstreams only). Optional models are served
    where their package is installed. `source` is empty for `base`, `fitted` and `external`.

    Of a `gguf`, `source` is `maker/repository/file.gguf` or a local path, `revision` the commit or
    branch in the hub, and `packages` names the Python packages whose data files are the parts of
    the same file, `name{1..22}==version`, for machines that reach no hub. `quantization` is `int8`
    or absent for 16 bits, and `base_name` the public name of the model, by which its training
    settings are found (models/industrial_llm/recipes.py).
    """

    kind: str
    source: str
    sha256: str | None = None
    chat_template: str | None = None
    revision: str | None = None
    packages: str | None = None
    quantization: str | None = None
    base_name: str | None = None

    @property
    def needs_fitting(self) -> bool:
        """Whether only models that customers trained of it answer calls, and not itself."""
        return self.kind in ("fitted", "vision-package")


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
class Assistant:
    """A model that answers from the handbook (models/handbook), and from documents of the account.

    `max_passages` is how many passages a prompt has by default. With `quotes`, a question that the
    handbook answers is answered by its best passage instead of by the model: for models too small
    to be trusted with a summary.
    """

    max_passages: int = 3
    quotes: bool = False


@dataclass(frozen=True, slots=True)
class FileSearch:
    """How a text model answers from vector stores.

    `max_passages` is how many passages a prompt has by default. `max_statements` is how many
    sentences that a passage supports an answer has; the rest is left out. Small models are right
    more often with few of both. With `reads_lines`, a question about documents is answered by the
    line that the trained reader (models/line_reader) picks, or by none, instead of by the model.
    With `checks_lines`, the model is asked whether a line answers if the reader is in doubt, for
    all models on its engine.
    """

    max_passages: int = 5
    max_statements: int | None = None
    reads_lines: bool = False
    checks_lines: bool = False


_FILE_SEARCH = FileSearch()
# As at OpenAI: calls in batches may wait, so they cost half.
DEFAULT_BATCH_PERCENT = 50


@dataclass(frozen=True, slots=True)
class Model:
    """A model in the catalog.

    `prices[currency][meter]` are list prices in nano-units per unit; `cost` is what a unit costs
    the operator on own servers, empty if unknown. `base` is the model whose engine serves it, with
    or without a LoRA adapter; None if it has its own engine. `adapter` is the fine-tuning method
    (serving/training/fine_tune_task.py); None if customers cannot fine-tune it. A model without
    `route` is only used by name. `latency_ms` is typical for one row, or for the first token of a
    short prompt; None if not measured. `fallbacks` are substitute models in order. The first model
    with `retrieval` computes the embeddings of vector stores. `reasoning` are the most tokens that
    it reasons with, by effort; empty if it cannot reason. `assistant` is set for a model that
    answers from the handbook, `file_search` says how a text model answers from documents.
    `batch_percent` is the price of calls in batches, in percent of the list prices. `guard_format`
    says how a moderation model is asked.
    """

    id: str
    task: Task
    profiles: tuple[str, ...]
    description: str
    licence: str
    weights: Weights
    prices: Prices
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
    cost: Prices = field(default_factory=lambda: MappingProxyType({}))
    assistant: Assistant | None = None
    file_search: FileSearch = _FILE_SEARCH
    batch_percent: int = DEFAULT_BATCH_PERCENT
    guard_format: GuardFormat = GuardFormat.MODERATIONS

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
        if self.assistant is not None and self.task is not Task.TEXT_GENERATION:
            raise ValueError("assistant is only allowed for a text model")
        if self.task is Task.MODERATION:
            self._check_moderation()

    def _check_moderation(self) -> None:
        """Raise ValueError if a moderation model is priced by what is not counted of it.

        The context length of a guard model bounds its prompt, whose policy is not known here.
        """
        is_guard = self.guard_format.is_chat
        if not self._has_price(Meter.INPUT_TOKENS if is_guard else Meter.ROWS):
            meter = "input_tokens" if is_guard else "rows"
            raise ValueError(f"this moderation model must be priced by {meter}")
        if is_guard and self.context_length is None:
            raise ValueError("a guard model must have a context_length")

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
