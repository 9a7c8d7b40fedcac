"""Metered services of the platform that are no models, such as stored readings: id and prices."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from models.catalog.entries import EXTERNAL, Model, Prices, Task, Weights
from models.catalog.files import CatalogFile
from models.catalog.pricing import parse_prices
from models.catalog.problems import ProblemList
from models.catalog.profiles import PROFILES
from models.catalog.schema import SERVICE_FIELDS, check_fields

# The service that stores readings of plant points.
READINGS = "plant-readings"


@dataclass(frozen=True, slots=True)
class Service:
    """A service that is priced like a model, but not called, listed or served as one.

    `prices` are nano-units per unit, by currency and meter.
    """

    id: str
    description: str
    prices: Prices

    def as_model(self) -> Model:
        """Return the service in the form in which requests are admitted and rated."""
        return Model(
            id=self.id,
            task=Task.CALCULATION,
            profiles=tuple(PROFILES),
            description=self.description,
            licence="not stated",
            weights=Weights(EXTERNAL, ""),
            prices=self.prices,
        )


def parse_services(
    files: Sequence[CatalogFile], models: Collection[str], problems: ProblemList
) -> Mapping[str, Service]:
    """Return the services by id; an entry of a later file changes the prices of an earlier one.

    Reports invalid entries, and ids that are `models` too.
    """
    services: dict[str, Service] = {}
    for file in files:
        for number, table in enumerate(file.services, start=1):
            service = _parse_service(table, number, file.name, services, problems)
            if service is None:
                continue
            if service.id in models:
                label = f"the service {service.id!r}"
                problems.add(file.name, "is already the id of a model.", label, "id")
            services[service.id] = service
    return MappingProxyType(services)


def _parse_service(
    table: Mapping[str, Any],
    number: int,
    file: str,
    earlier: Mapping[str, Service],
    problems: ProblemList,
) -> Service | None:
    """Return a service, or None after reporting why it is not valid."""
    name, count = table.get("id"), len(problems.problems)
    label = f"the service {name!r}" if isinstance(name, str) else f"service number {number}"
    fields = check_fields(table, SERVICE_FIELDS, file, label, problems)
    known = earlier.get(fields.get("id", ""))
    required = ("id", "meters") if known is not None else ("id", "description", "meters")
    for field in required:
        if field not in table:
            problems.add(file, "is missing.", label, field)
    prices = parse_prices(fields.get("meters", {}), file, label, "meters", problems)
    if len(problems.problems) > count:
        return None
    if known is None:
        return Service(fields["id"], fields["description"], prices)
    merged = {**known.prices, **prices}
    description = fields.get("description", known.description)
    return Service(known.id, description, MappingProxyType(merged))
