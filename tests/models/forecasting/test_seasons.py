"""Seasons: of the clock, of a machine's own cycle, and none."""

import numpy as np
import pytest

from models.forecasting.planning import held_out_start, plan_form
from models.forecasting.seasons import find_seasons
from tests.support.models.series import load_curve, series_of


def wave(count: int, *periods: int, noise: float = 0.3) -> np.ndarray:
    """Waves of several periods with noise and a slow drift."""
    steps = np.arange(count)
    waves = sum(np.sin(2 * np.pi * steps / period) for period in periods)
    return waves + np.random.default_rng(1).normal(0, noise, count) + steps / count


@pytest.mark.parametrize(
    ("periods", "step", "seasons"),
    [
        ((24,), 3600.0, (24,)),
        ((96,), 900.0, (96,)),
        ((7,), 86_400.0, (7,)),
        ((24, 168), 3600.0, (24, 168)),
        ((37,), 60.0, (37,)),
    ],
    ids=["hourly", "quarter-hourly", "daily", "day and week", "cycle of a machine"],
)
def test_season_is_found(periods: tuple[int, ...], step: float, seasons: tuple[int, ...]) -> None:
    found = find_seasons([wave(2_000, *periods)], step)
    assert set(seasons) <= set(found)
    assert found[0] == seasons[0]


def test_noise_and_a_random_walk_have_no_season() -> None:
    noise = np.random.default_rng(7).normal(0, 1, 1_000)
    assert find_seasons([noise], 3600.0) == ()
    assert find_seasons([np.cumsum(noise)], 3600.0) == ()


def test_form_fits_the_length_of_the_series() -> None:
    data = series_of(load_curve())
    form = plan_form(data, held_out_start(data))
    assert (form.season, form.lookback, form.horizon) == (24, 84, 42)
    short = {name: values[:60] for name, values in load_curve().items()}
    data = series_of(short)
    form = plan_form(data, held_out_start(data))
    assert (form.season, form.lookback, form.horizon) == (1, 10, 5)
