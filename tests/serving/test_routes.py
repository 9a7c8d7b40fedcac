"""The catalog's routes, used for model selection, match the specialists' signatures."""

import pytest

from models.catalog import CATALOG_FILE, SPECIALIST_TASKS, Model
from models.routing.classifier import LANGUAGE, RouteClassifier
from serving.specialists.loader import FITTED as TRAINED_ONLY
from serving.specialists.loader import ModelSource, load_specialist
from tests.support.builders import CATALOG

# Without columns: only fine-tuned variants have inputs.
FITTED = ("fitted", "vision-package")
# Customers' own columns have no route: only variants can be called, by name.
SPECIALISTS = [
    one
    for one in CATALOG.models.values()
    if one.task in SPECIALIST_TASKS and one.adapter not in TRAINED_ONLY
]


@pytest.mark.parametrize("model", SPECIALISTS, ids=lambda model: model.id)
class TestCatalogRoutes:
    def test_route_columns_match_specialist_signature(self, model: Model) -> None:
        assert model.route is not None
        if model.weights.kind in FITTED:
            assert not model.route.inputs
            return
        artefact = model.weights.kind == "artefact"
        source = model.weights.source
        place = str(CATALOG_FILE.parent / source) if artefact else source
        signature = load_specialist(model.id, ModelSource.for_model(model, place)).signature
        optional = {field.name for field in signature.inputs if field.optional}
        assert model.route.inputs == {field.name for field in signature.inputs} - optional
        assert model.route.optional == optional

    def test_route_task_is_supported_by_classifier(self, model: Model) -> None:
        """A specialist that models/routing was not trained for is selected by its columns only."""
        assert model.route is not None
        if model.route.task is None:
            assert model.route.inputs
        else:
            assert model.route.task in {*RouteClassifier.load().tasks} - {LANGUAGE}
