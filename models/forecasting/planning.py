"""Choose what all forecasts of a model have in common: season, history, steps ahead."""

import numpy as np

from models.forecasting.data import ForecastData, describe_step
from models.forecasting.grid import Floats
from models.forecasting.seasons import find_seasons
from models.forecasting.windows import Form
from models.sentences import Sentence, listing, sentence

MAX_LOOKBACK = 1_344
MIN_HORIZON, MAX_HORIZON = 24, 192
# The longest history and the furthest step ahead, as parts of the longest series.
_LOOKBACK_PART, _HORIZON_PART = 6, 12
# Steps of history in seasons of the longest kind, and without a season in steps.
_LONGEST_SEASONS, _LOOKBACK_STEPS = 2, 48
# The least steps of history in seasons of the naive forecast, so that their mean has little noise.
_LOOKBACK_SEASONS = 7
_HORIZON_SEASONS = 4
# The smallest scale of a window, in parts of the spread of the series.
_LEAST_SPREAD = 0.1
# The share of the steps after which the others only test a forecaster.
TEST_START = 0.8


def held_out_start(data: ForecastData) -> float:
    """Return the time at which the rows begin that a forecaster is only tested on."""
    times = np.sort(np.concatenate([one.times for one in data.series]))
    return float(times[int(TEST_START * len(times))])


def plan_form(data: ForecastData, end: float) -> Form:
    """Return the form of the forecasts, from values before `end`, in seconds."""
    parts = [part.values[part.times < end] for part in data.series]
    length = len(data.longest)
    seasons = find_seasons([part for part in parts if len(part)], data.step, data.pauses)
    seasons = tuple(one for one in seasons if one < length // _LOOKBACK_PART)
    season = best_season(parts, seasons)
    wanted = max(_LONGEST_SEASONS * max(seasons, default=0), _LOOKBACK_SEASONS * season)
    wanted = wanted if seasons else _LOOKBACK_STEPS
    lookback = max(season + 2, min(wanted, MAX_LOOKBACK, length // _LOOKBACK_PART))
    steps = min(max(MIN_HORIZON, _HORIZON_SEASONS * season), MAX_HORIZON)
    return Form(
        data.step,
        season,
        tuple(one for one in seasons if one <= lookback),
        lookback,
        max(1, min(steps, length // _HORIZON_PART)),
        _least_scale(parts),
        data.pauses,
        has_local_days=True,
    )


def _least_scale(parts: list[Floats]) -> float:
    """Return the smallest scale of a window, from the spread of the series, above 0."""
    spreads = [float(part.std()) for part in parts if len(part)]
    return max(_LEAST_SPREAD * float(np.median(spreads)), float(np.finfo(np.float32).tiny))


def describe_form(data: ForecastData, form: Form) -> list[Sentence]:
    """Return sentences on seasons, needed history, and steps that cannot be used."""
    seasons = listing(
        [describe_step(form.pauses.real_span(season * form.step)) for season in form.seasons]
    )
    least = form.lookback + form.horizon
    unused = sum(len(one) for one in data.series if len(one) < least)
    notes: list[Sentence] = [
        sentence("It repeats itself every {seasons}.", seasons=seasons)
        if seasons
        else sentence("No season was found."),
        sentence(
            "A call needs the last {steps} steps ({span}) and forecasts at most {horizon}.",
            steps=form.lookback,
            span=describe_step(form.lookback * form.step),
            horizon=form.horizon,
        ),
    ]
    if unused:
        notes.append(
            sentence(
                "{count} steps are in parts of less than {least} and are not used.",
                count=unused,
                least=least,
            )
        )
    return notes


def best_season(parts: list[Floats], seasons: tuple[int, ...]) -> int:
    """Return the season whose repetition has the least error; 1 if there are none."""
    if not seasons:
        return 1
    return min(seasons, key=lambda season: naive_error(parts, season))


def naive_error(parts: list[Floats], season: int) -> float:
    """Return the mean absolute change of series against a season before, NaN if all are shorter."""
    changes = [np.abs(part[season:] - part[:-season]) for part in parts if len(part) > season]
    return float(np.concatenate(changes).mean()) if changes else float("nan")
