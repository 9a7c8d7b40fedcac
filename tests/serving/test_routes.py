"""The catalog's routes, which the gateway chooses by, are those of the specialists that answer."""

import pytest

from models.catalog import CATALOG_FILE, SPECIALIST_TASKS, Model
from models.routing.classifier import LANGUAGE, RouteClassifier
from serving.specialists.loader import ModelSource, load_specialist
from tests.support.builders import CATALOG

# Without columns: only what each customer fits of it takes any.
FITTED = ("fitted", "vision-package")
SPECIALISTS = [one for one in CATALOG.models.values() if one.task in SPECIALIST_TASKS]


@pytest.mark.parametrize("model", SPECIALISTS, ids=lambda model: model.id)
class TestRoutes:
    def test_columns_are_the_specialists_own(self, model: Model) -> None:
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

    def test_the_task_is_one_that_words_are_told_by(self, model: Model) -> None:
        assert model.route is not None
        assert model.route.task in {*RouteClassifier.load().tasks} - {LANGUAGE}
