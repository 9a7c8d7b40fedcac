"""What is deployed for a catalog: each application, its prefix, and which model is where."""

from collections.abc import Mapping

from ray.serve import RunTarget

from models.catalog import SPECIALIST_TASKS, Catalog, Model, Task
from serving.cluster.operations_app import operations_app
from serving.embeddings.app import EmbeddingApp, EncoderSource, embedding_app
from serving.errors import ServingFailed
from serving.folders import Folders
from serving.readiness import Where
from serving.scaling import Scaling, Scalings
from serving.specialists.app import SpecialistApp, specialist_app
from serving.specialists.loader import Source
from serving.text.app import text_generation_app
from serving.text.engine import Shared, deployment_name, engine_settings
from serving.weights.weights import Obtained

TEXT = "text-generation"
EMBEDDINGS = "embeddings"
SPECIALISTS = "specialists"
OPERATIONS = "operations"


def targets(
    catalog: Catalog,
    weights: Mapping[str, Obtained],
    profile: str,
    folders: Folders,
    scalings: Scalings,
    traces: str | None = None,
) -> list[RunTarget]:
    """The applications. HAProxy asks the longest prefix first, so `/` takes only the rest.

    Operations are there even without a specialist: they answer for everybody's readiness.
    """
    sources = _sources(catalog, weights)
    learners = sources | _language_sources(catalog, weights)
    models = where(catalog, scalings.specialists)
    operations = operations_app(learners, models, folders)
    planned = [RunTarget(operations, name=OPERATIONS, route_prefix="/v2")]
    if sources:
        specialists = specialist_app(sources, folders.variants, scalings.specialists)
        planned.append(RunTarget(specialists, name=SPECIALISTS, route_prefix="/v2/models"))
    if embedding := catalog.with_task(Task.EMBEDDING):
        planned.append(_embeddings(embedding, weights))
    if texts := catalog.with_task(Task.TEXT_GENERATION):
        shared = Shared(profile, folders.adapters, folders.counts, scalings.engines, traces)
        planned.append(_texts(texts, weights, shared))
    return planned


def _texts(models: tuple[Model, ...], weights: Mapping[str, Obtained], shared: Shared) -> RunTarget:
    """Engines for each model that is no adapter on another's."""
    engines = {model.id: model.base for model in models if model.base is not None}
    settings = []
    for model in models:
        if model.base is None:
            adapters = {
                name: weights[name].source for name, base in engines.items() if base == model.id
            }
            settings.append(engine_settings(model, weights[model.id].source, shared, adapters))
    target = text_generation_app(settings, engines, shared.scaling)
    return RunTarget(target, name=TEXT, route_prefix="/")


def where(catalog: Catalog, scaling: Scaling) -> dict[str, Where]:
    """Where each model of the catalog is deployed."""
    return {model.id: _where(model, scaling) for model in catalog.models.values()}


def _where(model: Model, scaling: Scaling) -> Where:
    match model.task:
        case Task.TEXT_GENERATION:
            deployment = f"TextServer:{deployment_name(model.engine_id)}"
            return Where(TEXT, deployment, counts_tokens=model.base is None)
        case Task.EMBEDDING:
            return Where(EMBEDDINGS, EmbeddingApp.__name__)
        case _:
            return Where(SPECIALISTS, SpecialistApp.__name__, sleeps=scaling.sleeps)


def _sources(catalog: Catalog, weights: Mapping[str, Obtained]) -> dict[str, Source]:
    return {
        model.id: Source.of(model, weights[model.id].source)
        for model in catalog.models.values()
        if model.task in SPECIALIST_TASKS
    }


def _language_sources(catalog: Catalog, weights: Mapping[str, Obtained]) -> dict[str, Source]:
    """The language models that customers adapt, from the adapter that they answer by."""
    return {
        model.id: Source.of(model, weights[model.id].source, weights[model.base].source)
        for model in catalog.with_task(Task.TEXT_GENERATION)
        if model.adapter is not None and model.base is not None
    }


def _embeddings(models: tuple[Model, ...], weights: Mapping[str, Obtained]) -> RunTarget:
    sources = {model.id: _encoder(model, weights[model.id]) for model in models}
    return RunTarget(embedding_app(sources), name=EMBEDDINGS, route_prefix="/v1/embeddings")


def _encoder(model: Model, obtained: Obtained) -> EncoderSource:
    packaged = model.weights.kind == "encoder-package"
    if (obtained.tokenizer is None and not packaged) or model.context_length is None:
        raise ServingFailed(f"{model.id!r} needs a tokenizer and a context length.")
    tokenizer = None if obtained.tokenizer is None else str(obtained.tokenizer)
    return EncoderSource(obtained.source, tokenizer, model.context_length)
