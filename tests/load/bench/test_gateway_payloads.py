"""The constant answers of the upstream in the comparison of gateways."""

from load.bench.gateways.payloads import CATALOG_MODEL, MODELS
from models.catalog import Task, load_catalog


def test_upstream_lists_a_text_model_of_the_catalog() -> None:
    """Our gateway serves only models that its servers list; the benchmark calls the first one."""
    (first, *_) = load_catalog("cpu").with_task(Task.TEXT_GENERATION)
    assert first.id == CATALOG_MODEL
    assert CATALOG_MODEL in {model["id"] for model in MODELS["data"]}
