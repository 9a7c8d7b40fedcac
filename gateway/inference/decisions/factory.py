"""Builds the stage of decisions of a gateway process."""

from gateway.inference.call_metrics import CallMetrics
from gateway.inference.decisions.calibrations import ModelCalibrations
from gateway.inference.decisions.planning import DecisionPlanner
from gateway.inference.decisions.stage import DecisionStage
from gateway.inference.dispatch import Dispatcher
from gateway.inference.internal.detached_sender import DetachedSender
from gateway.inference.model_selection import ModelSelector
from gateway.inference.parsing import Parser
from models.decision_calibration.calibration import load_calibrations


def build_decision_stage(
    parser: Parser,
    selector: ModelSelector,
    dispatcher: Dispatcher,
    call_metrics: CallMetrics,
    timeout_s: float,
) -> DecisionStage:
    """Return the stage with the committed calibrations. Raises CalibrationInvalid.

    `timeout_s` is how long nothing of a decision may be answered.
    """
    calibrations = ModelCalibrations(parser.catalog, load_calibrations())
    planner = DecisionPlanner(parser, selector, calibrations)
    return DecisionStage(planner, DetachedSender(dispatcher), call_metrics, calibrations, timeout_s)
