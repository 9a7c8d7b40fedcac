"""Which models are shared models: language models that can be trained.

Cheap to import, unlike training.
"""

from infra.errors import AppError
from models.catalog import Catalog, Model, Task


class ModelNotShared(AppError):
    """The model is not a language model that can be trained."""

    status = 400
    type = "invalid_request_error"
    code = "model_not_shared"


def get_shared_model(catalog: Catalog, name: str) -> Model:
    """Return the shared model with this name. Raises ModelNotShared."""
    model = catalog.find(name)
    if model is None or not is_shared(model):
        raise ModelNotShared(f"{name[:100]!r} is not a shared model.")
    return model


def is_shared(model: Model) -> bool:
    """Whether the model is a language model that can be trained."""
    return model.task is Task.TEXT_GENERATION and model.adapter is not None
