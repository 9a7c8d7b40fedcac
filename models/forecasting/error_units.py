"""The unit of a forecast's error: how restless the history is."""

import numpy as np

from models.forecasting.grid import Floats
from models.forecasting.naive import recent_error
from models.forecasting.windows import Form, Windows

# The recent error of a flat history, in parts of its scale.
_MIN_UNIT = 0.01


def error_units(windows: Windows, form: Form) -> Floats:
    """Return the recent error of the seasonal naive forecast, [windows], above 0."""
    return np.maximum(recent_error(windows.history, form.season), _MIN_UNIT * windows.scale)
