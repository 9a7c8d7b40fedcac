"""Which optional package extra a model needs, and whether it is installed.

Checks without importing the packages.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType

from models.catalog import Model

# The extra in pyproject.toml by the kind of a model's weights (models/catalog.py).
EXTRAS: Mapping[str, str] = MappingProxyType(
    {"vision-package": "vision", "encoder-package": "multilingual"}
)


def required_extra(model: Model) -> str | None:
    """Return the package extra that the model needs, or None."""
    return EXTRAS.get(model.weights.kind)


def is_installed(model: Model) -> bool:
    """Return whether the model's optional package, if it needs one, is installed."""
    return required_extra(model) is None or is_package(model.weights.source)


def is_package(name: str) -> bool:
    """Return whether a package is installed, without importing it: some print on import."""
    spec = find_spec(name)
    return spec is not None and bool(spec.submodule_search_locations)
