"""Optional models: which package extra brings what a model needs, and whether it is installed here.

Owns that knowledge for everybody who asks before anything is loaded.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType

from models.catalog import Model

# By the kind of a model's weights (models/catalog.py): the extra in pyproject.toml.
EXTRAS: Mapping[str, str] = MappingProxyType(
    {"vision-package": "vision", "encoder-package": "multilingual"}
)


def extra_of(model: Model) -> str | None:
    """The extra that the model needs; None where it needs none."""
    return EXTRAS.get(model.weights.kind)


def installed(model: Model) -> bool:
    """Whether what the model needs is installed here; only an optional extra may be absent."""
    return extra_of(model) is None or is_package(model.weights.source)


def is_package(name: str) -> bool:
    """Whether a package with files is installed. Not imported: some print when they are."""
    spec = find_spec(name)
    return spec is not None and bool(spec.submodule_search_locations)
