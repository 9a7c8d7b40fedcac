"""The model catalog: models with tasks, weights, prices and routes, read from TOML files."""

from models.catalog.entries import (
    AUTO,
    EXTERNAL,
    SPECIALIST_TASKS,
    Assistant,
    FileSearch,
    GuardFormat,
    Meter,
    Model,
    Prices,
    Retrieval,
    Route,
    Task,
    Weights,
)
from models.catalog.files import CATALOG_FILE
from models.catalog.loading import load_catalog, load_configured_catalog
from models.catalog.problems import CatalogInvalid, Problem
from models.catalog.profiles import DEFAULT_PROFILE
from models.catalog.services import READINGS, Service
from models.catalog.snapshot import Catalog
from models.catalog.upstreams import Upstream

__all__ = [
    "AUTO",
    "CATALOG_FILE",
    "DEFAULT_PROFILE",
    "EXTERNAL",
    "READINGS",
    "SPECIALIST_TASKS",
    "Assistant",
    "Catalog",
    "CatalogInvalid",
    "FileSearch",
    "GuardFormat",
    "Meter",
    "Model",
    "Prices",
    "Problem",
    "Retrieval",
    "Route",
    "Service",
    "Task",
    "Upstream",
    "Weights",
    "load_catalog",
    "load_configured_catalog",
]
