"""The catalog in force: the models of one profile, replaced as a whole when the files change."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from models.catalog.entries import EXTERNAL, Model, Task
from models.catalog.services import Service
from models.catalog.upstreams import Upstream

_NO_NAMES: Mapping[str, str] = MappingProxyType({})
_NO_SERVICES: Mapping[str, Service] = MappingProxyType({})


class Catalog:
    """The models of one profile by id, with the models that upstreams serve.

    `retired` is the replacement of each retired model by its id. `aliases` are other names that
    requests may use, with the id of the model that answers. `services` are by id. Parts of a
    process share one object, which only models/catalog/reloading.py changes: all at once, never
    between two steps of a part that does not wait. `version` counts the changes, for parts that
    cache.
    """

    __slots__ = ("aliases", "models", "retired", "services", "upstreams", "version")

    def __init__(
        self,
        models: Mapping[str, Model],
        retired: Mapping[str, str] = _NO_NAMES,
        aliases: Mapping[str, str] = _NO_NAMES,
        upstreams: tuple[Upstream, ...] = (),
        services: Mapping[str, Service] = _NO_SERVICES,
    ) -> None:
        self.version = 0
        self.models = models
        self.retired = retired
        self.aliases = aliases
        self.upstreams = upstreams
        self.services = services

    def replace_with(self, other: "Catalog") -> None:
        """Take over the content of another catalog, which must be valid."""
        self.models, self.retired = other.models, other.retired
        self.aliases, self.upstreams = other.aliases, other.upstreams
        self.services = other.services
        self.version += 1

    def find(self, name: str) -> Model | None:
        """Return the model with this id or alias, or None."""
        return self.models.get(name) or self.models.get(self.aliases.get(name, ""))

    def filter(self, is_included: Callable[[Model], bool]) -> "Catalog":
        """Return a catalog of the models for which the predicate is true."""
        included = {key: model for key, model in self.models.items() if is_included(model)}
        aliases = {name: target for name, target in self.aliases.items() if target in included}
        return Catalog(
            MappingProxyType(included),
            self.retired,
            MappingProxyType(aliases),
            self.upstreams,
            self.services,
        )

    def run_by_own_servers(self) -> "Catalog":
        """Return a catalog of the models that this deployment's own servers have weights of."""
        return self.filter(lambda model: model.weights.kind != EXTERNAL)

    def with_task(self, task: Task) -> tuple[Model, ...]:
        """Return the models with this task."""
        return tuple(model for model in self.models.values() if model.task is task)

    def upstreams_of(self, model_id: str) -> tuple[Upstream, ...]:
        """Return the upstreams that serve a model."""
        return tuple(upstream for upstream in self.upstreams if model_id in upstream.models)
