"""Which models are shared: those that answer by an adapter and can be adapted.

Light to import, unlike learning.
"""

from infra.errors import AppError
from models.catalog import Catalog, Model


class ModelNotShared(AppError):
    """The model does not answer by an adapter that can be learned anew."""

    status = 400
    type = "invalid_request_error"
    code = "model_not_shared"


def shared_model(catalog: Catalog, name: str) -> Model:
    """Raises ModelNotShared."""
    model = catalog.find(name)
    if model is None or not is_shared(model):
        raise ModelNotShared(
            f"{name[:100]!r} is no model that answers by an adapter and can be adapted."
        )
    return model


def is_shared(model: Model) -> bool:
    return model.base is not None and model.adapter is not None
