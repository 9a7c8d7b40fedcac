"""Average the forecasts of several methods, with weights by step ahead."""

from collections.abc import Sequence

import numpy as np

from models.forecasting.grid import Floats


def blend(forecasts: Sequence[Floats], weights: Floats, edges: Sequence[int]) -> Floats:
    """Return the weighted average of forecasts, [windows, horizon] each."""
    by_step = np.repeat(weights, np.diff(edges), axis=0)[: forecasts[0].shape[1]]
    return np.asarray(np.einsum("mwh,hm->wh", np.stack(forecasts), by_step))
