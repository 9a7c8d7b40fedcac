"""Linear forecasts of all steps from the history, as a correction of the seasonal naive forecast.

Ridge regression of every step ahead on all values of the history, as in linear direct forecasting
(Zeng et al. 2023). The penalty draws it towards the seasonal naive forecast.
"""

from dataclasses import dataclass

import numpy as np

from models.forecasting.grid import Floats
from models.forecasting.naive import seasonal_naive
from models.forecasting.windows import Form, Samples, Windows

# Penalties in parts of the inputs' mean square.
PENALTIES = (0.01, 0.1, 1.0, 10.0)
DEFAULT_PENALTY = 0.1


@dataclass(frozen=True, slots=True)
class LinearModel:
    """weights: [inputs, horizon]; the last input is 1."""

    weights: Floats

    def predict(self, windows: Windows, form: Form) -> Floats:
        """Return forecasts, [windows, horizon]."""
        base = seasonal_naive(windows.history, form.season, form.horizon)
        change = linear_inputs(windows, form) @ self.weights
        return np.asarray(base + change * windows.scale[:, np.newaxis])


def fit_linear(samples: Samples, form: Form, penalty: float) -> LinearModel:
    """Fit the weights with one penalty."""
    (model,) = fit_path(samples, form, (penalty,))
    return model


def fit_path(samples: Samples, form: Form, penalties: tuple[float, ...]) -> list[LinearModel]:
    """Fit the weights with each of the penalties."""
    inputs = linear_inputs(samples.windows, form)
    base = seasonal_naive(samples.windows.history, form.season, form.horizon)
    targets = (samples.future - base) / samples.windows.scale[:, np.newaxis]
    moments = inputs.T @ inputs / len(inputs)
    products = inputs.T @ targets / len(inputs)
    values, vectors = np.linalg.eigh(moments)
    rotated = vectors.T @ products
    size = float(np.mean(np.diag(moments)[: form.lookback]))
    return [
        LinearModel(vectors @ (rotated / (values + penalty * max(size, 1e-9))[:, np.newaxis]))
        for penalty in penalties
    ]


def linear_inputs(windows: Windows, form: Form) -> Floats:
    """Return the inputs, [windows, inputs]: history, further columns, 1.

    The history is relative to the mean of its last season, so that a level does not matter.
    """
    history, scale = windows.history, windows.scale[:, np.newaxis]
    level = history[:, -form.recent :].mean(axis=1, keepdims=True)
    parts = [
        (history - level) / scale,
        windows.others,
        np.ones((len(history), 1)),
    ]
    return np.concatenate(parts, axis=1)
