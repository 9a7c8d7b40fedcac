"""The fitted calibration of the model that a decision asks."""

from collections.abc import Mapping

from gateway.call.values import ParsedRequest
from models.catalog import Catalog
from models.decision_calibration.calibration import (
    Calibrations,
    TypeCalibration,
    find_calibration,
    weights_key,
)
from models.decision_calibration.questions import QuestionKind


class ModelCalibrations:
    """Finds the calibrations of a catalog's models."""

    def __init__(self, catalog: Catalog, calibrations: Calibrations) -> None:
        self._catalog = catalog
        self._calibrations = calibrations

    def of(self, request: ParsedRequest) -> Mapping[QuestionKind, TypeCalibration]:
        """Return the calibration of each type of question for the model of a request.

        Nobody has fitted a customer's or a promoted version, which answers with other weights.
        """
        if request.variant_id is not None:
            return {}
        weights = weights_key(request.model, self._catalog.find)
        found = {kind: find_calibration(self._calibrations, weights, kind) for kind in QuestionKind}
        return {kind: one for kind, one in found.items() if one is not None}
