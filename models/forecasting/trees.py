"""Gradient-boosted trees (LightGBM) for all steps ahead: one model, with the step as an input."""

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from models.forecasting.grid import Floats
from models.forecasting.tree_inputs import Inputs, tree_base, tree_inputs
from models.forecasting.variant import INPUTS, OUTPUT
from models.forecasting.windows import Form, Samples
from models.onnx_graph import tensor_info, to_model, tree_ensemble_node

_SEED = 7
_MAX_ROWS = 60_000
_MAX_STEPS_PER_WINDOW = 12
_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class TreeModel:
    """Trees that correct the seasonal naive forecast."""

    booster: lgb.Booster

    def predict_changes(self, inputs: Inputs) -> Floats:
        """Return the changes for rows of inputs, [rows]."""
        return np.asarray(self.booster.predict(inputs), dtype=np.float64)


def fit_trees(samples: Samples, form: Form, threads: int) -> TreeModel:
    """Fit the trees to some steps ahead of each window, drawn at random."""
    generator = np.random.default_rng(_SEED)
    per_window = min(_MAX_STEPS_PER_WINDOW, form.horizon)
    most = max(1, _MAX_ROWS // per_window)
    if len(samples) > most:
        samples = samples.take(np.sort(generator.permutation(len(samples))[:most]))
    steps = generator.integers(0, form.horizon, (len(samples), per_window)).astype(np.intp)
    inputs = tree_inputs(samples.windows, form, steps)
    base = tree_base(samples.windows, form, steps)
    future = np.take_along_axis(samples.future, steps, axis=1)
    targets = ((future - base) / samples.windows.scale[:, np.newaxis]).reshape(-1)
    data = lgb.Dataset(inputs, targets, free_raw_data=False)
    return TreeModel(lgb.train(_parameters(len(targets), threads), data, _ROUNDS))


def export_trees(model: TreeModel) -> bytes:
    """Return the trees as an ONNX graph, from INPUTS [rows, inputs] to OUTPUT [rows, 1]."""
    node = tree_ensemble_node(model.booster, INPUTS, [OUTPUT])
    graph = to_model(
        "forecasting",
        [node],
        [tensor_info(INPUTS, model.booster.num_feature())],
        [tensor_info(OUTPUT, 1)],
        {},
        producer="models.forecasting",
        signature="",
    )
    return bytes(graph.SerializeToString())


def _parameters(rows: int, threads: int) -> dict[str, object]:
    """Return LightGBM's parameters: smaller trees for fewer rows."""
    return {
        "objective": "regression_l1",
        "verbosity": -1,
        "seed": _SEED,
        "deterministic": True,
        "force_row_wise": True,
        "use_missing": False,
        "learning_rate": 0.05,
        "num_leaves": 7 if rows < 2_000 else 15 if rows < 20_000 else 31,
        "min_data_in_leaf": max(5, min(100, rows // 100)),
        "feature_fraction": 0.7,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "num_threads": threads,
    }
