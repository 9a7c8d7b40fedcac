"""Load the catalog of a profile from the built-in file and the operator's files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from infra.settings import Settings
from models.catalog.entries import EXTERNAL, Model, Weights
from models.catalog.files import CATALOG_FILE, read_catalog_file
from models.catalog.merging import merge_models
from models.catalog.parsing import parse_models, parse_upstreams
from models.catalog.problems import CatalogInvalid, ProblemList
from models.catalog.services import Service, parse_services
from models.catalog.snapshot import Catalog
from models.catalog.upstreams import Upstream
from models.catalog.validation import (
    check_models,
    check_upstreams,
    group_by_id,
    merge_aliases,
    merge_retired,
)


@dataclass(frozen=True, slots=True)
class CatalogContents:
    """What all catalog files together define, for every profile."""

    models: tuple[Model, ...]
    retired: Mapping[str, str]
    aliases: Mapping[str, str]
    upstreams: tuple[Upstream, ...]
    services: Mapping[str, Service]

    def for_profile(self, profile: str) -> Catalog:
        """Return the models of a profile, and those of any profile that an upstream serves.

        Raises CatalogInvalid if there are none.
        """
        external = {model for upstream in self.upstreams for model in upstream.models}
        models: dict[str, Model] = {}
        for model in self.models:
            if profile in model.profiles:
                models[model.id] = model
        for model in self.models:
            if model.id in external:
                models.setdefault(model.id, _without_own_servers(model))
        if not models:
            raise CatalogInvalid(f"The catalog has no model for the profile {profile!r}.")
        return Catalog(
            MappingProxyType(models),
            self.retired,
            MappingProxyType({key: to for key, to in self.aliases.items() if to in models}),
            self.upstreams,
            self.services,
        )


def _without_own_servers(model: Model) -> Model:
    """Return a model of another profile as this one has it: served by upstreams only."""
    return replace(
        model,
        weights=Weights(EXTERNAL, ""),
        base=None,
        adapter=None,
        retrieval=None,
        concurrency=None,
        engine=MappingProxyType({}),
        cost=MappingProxyType({}),
    )


def load_configured_catalog(settings: Settings) -> Catalog:
    """Load the catalog of the profile and catalog files in the settings. Raises CatalogInvalid."""
    return load_catalog(settings.profile, operator_files=settings.catalog)


def load_catalog(
    profile: str, path: Path = CATALOG_FILE, operator_files: Sequence[Path] = ()
) -> Catalog:
    """Load the catalog of a profile, with the operator's additions and changes.

    Raises CatalogInvalid with every invalid file, entry and field.
    """
    return read_contents(path, operator_files).for_profile(profile)


def read_contents(path: Path, operator_files: Sequence[Path] = ()) -> CatalogContents:
    """Read and check all catalog files. Raises CatalogInvalid with all problems."""
    problems = ProblemList()
    built_in = read_catalog_file(path, problems)
    operators = [
        read_catalog_file(file, problems, number)
        for number, file in enumerate(operator_files, start=1)
    ]
    _check_file_names(operator_files, problems)
    files = [built_in, *operators]
    models = parse_models(merge_models(built_in, operators, problems), problems)
    upstreams = parse_upstreams(files, problems)
    # An entry that could not be read would be reported again wherever another one names it.
    problems.raise_if_any()
    check_models(models, problems)
    by_id = group_by_id(models)
    retired = merge_retired(files, by_id, problems)
    aliases = merge_aliases(files, by_id, retired, problems)
    check_upstreams(upstreams, by_id, problems)
    services = parse_services(files, by_id, problems)
    problems.raise_if_any()
    return CatalogContents(
        tuple(parsed.model for parsed in models),
        retired,
        aliases,
        tuple(sorted((one.upstream for one in upstreams), key=lambda one: one.priority)),
        services,
    )


def _check_file_names(files: Sequence[Path], problems: ProblemList) -> None:
    """Report a file that is named twice."""
    for number, file in enumerate(files):
        if file.resolve() in {other.resolve() for other in files[:number]}:
            problems.add(str(file), "it is named twice in MAAS_CATALOG.")
