"""The deployment plan of a catalog: Ray Serve applications and the deployment of each model."""

from collections.abc import Mapping
from dataclasses import replace

from ray.serve import RunTarget

from models.catalog import SPECIALIST_TASKS, Catalog, Model, Task
from models.catalog.profiles import Hardware, hardware_of
from serving.cluster.operations_app import operations_app
from serving.embeddings.app import EmbeddingApp, EncoderSource, embedding_app
from serving.errors import ServingFailed
from serving.folders import Folders
from serving.readiness import ModelDeployment
from serving.scaling import Scaling, ScalingSettings
from serving.specialists.app import SpecialistApp, specialist_app
from serving.specialists.loader import ModelSource
from serving.text.app import text_generation_app
from serving.text.engine import (
    SharedEngineSettings,
    deployment_name,
    engine_models,
    engine_settings,
)
from serving.weights.weights import ObtainedWeights

TEXT = "text-generation"
EMBEDDINGS = "embeddings"
SPECIALISTS = "specialists"
OPERATIONS = "operations"


def plan_applications(
    catalog: Catalog,
    weights: Mapping[str, ObtainedWeights],
    profile: str,
    folders: Folders,
    scaling: ScalingSettings,
    traces: str | None = None,
) -> list[RunTarget]:
    """Return the Ray Serve applications to deploy.

    HAProxy matches the longest prefix first, so `/` gets only the remaining paths. The operations
    application is deployed even without specialists because it serves the readiness of all models.
    """
    sources = _specialist_sources(catalog, weights)
    hardware = hardware_of(profile)
    language_models = _language_model_sources(catalog, weights, hardware, scaling)
    trainable_sources = sources | language_models
    models = locate_models(catalog, scaling.specialists)
    operations = operations_app(trainable_sources, models, folders)
    applications = [RunTarget(operations, name=OPERATIONS, route_prefix="/v2")]
    if sources:
        specialists = specialist_app(sources, folders.variants, scaling.specialists)
        applications.append(RunTarget(specialists, name=SPECIALISTS, route_prefix="/v2/models"))
    if embedding := catalog.with_task(Task.EMBEDDING):
        applications.append(_embedding_application(embedding))
    if texts := catalog.with_task(Task.TEXT_GENERATION):
        has_own_gpus = hardware is Hardware.CPU or not language_models
        shared = SharedEngineSettings(
            hardware,
            folders.adapters,
            folders.counts,
            scaling.engines,
            traces,
            engine_gpus=1.0 if has_own_gpus else scaling.engine_gpus,
        )
        applications.append(_text_application(texts, weights, shared))
    return applications


def _text_application(
    models: tuple[Model, ...], weights: Mapping[str, ObtainedWeights], shared: SharedEngineSettings
) -> RunTarget:
    """Return the text application; a model on another one's engine gets no engine."""
    engines = {model.id: model.base for model in models if model.base is not None}
    sources = {model.id: weights[model.id].source for model in models}
    settings = [
        engine_settings(model, sources[model.id], shared, engine_models(model, models, sources))
        for model in models
        if model.base is None
    ]
    target = text_generation_app(settings, engines, shared.scaling)
    return RunTarget(target, name=TEXT, route_prefix="/")


def locate_models(catalog: Catalog, scaling: Scaling) -> dict[str, ModelDeployment]:
    """Return the deployment of each model of the catalog, by model id."""
    return {model.id: _locate_model(model, scaling) for model in catalog.models.values()}


def _locate_model(model: Model, scaling: Scaling) -> ModelDeployment:
    """Return the deployment that serves a model."""
    match model.task:
        case Task.TEXT_GENERATION:
            deployment = f"TextServer:{deployment_name(model.engine_id)}"
            return ModelDeployment(TEXT, deployment, counts_tokens=model.base is None)
        case Task.EMBEDDING:
            return ModelDeployment(EMBEDDINGS, EmbeddingApp.__name__)
        case _:
            return ModelDeployment(
                SPECIALISTS, SpecialistApp.__name__, scales_to_zero=scaling.scales_to_zero
            )


def _specialist_sources(
    catalog: Catalog, weights: Mapping[str, ObtainedWeights]
) -> dict[str, ModelSource]:
    """Return where each specialist is loaded from and how it is fine-tuned, by model id."""
    return {
        model.id: ModelSource.for_model(model, weights[model.id].source)
        for model in catalog.models.values()
        if model.task in SPECIALIST_TASKS
    }


def _language_model_sources(
    catalog: Catalog,
    weights: Mapping[str, ObtainedWeights],
    hardware: Hardware,
    scaling: ScalingSettings,
) -> dict[str, ModelSource]:
    """Return how each fine-tunable language model is trained, by model id."""
    training_gpus = 0.0 if hardware is Hardware.CPU else scaling.training_gpus
    return {
        model.id: replace(
            _language_model_source(catalog, model, weights), training_gpus=training_gpus
        )
        for model in catalog.with_task(Task.TEXT_GENERATION)
        if model.adapter is not None
    }


def _language_model_source(
    catalog: Catalog, model: Model, weights: Mapping[str, ObtainedWeights]
) -> ModelSource:
    """Return the adapter that training continues, if any, and the base weights below it."""
    engine = catalog.models[model.engine_id]
    location = weights[model.id].source if model.base is not None else ""
    return replace(
        ModelSource.for_model(model, location, weights[engine.id].source),
        base_name=engine.weights.base_name,
    )


def _embedding_application(models: tuple[Model, ...]) -> RunTarget:
    """Return the application of the embedding models."""
    sources = {model.id: _encoder_source(model) for model in models}
    return RunTarget(embedding_app(sources), name=EMBEDDINGS, route_prefix="/v1/embeddings")


def _encoder_source(model: Model) -> EncoderSource:
    """Return the packaged encoder that serves an embedding model.

    Raises ServingFailed if its weights are of another kind or it has no context length.
    """
    if model.weights.kind != "encoder-package" or model.context_length is None:
        raise ServingFailed(f"{model.id!r} needs a packaged encoder and a context length.")
    return EncoderSource(model.context_length)
