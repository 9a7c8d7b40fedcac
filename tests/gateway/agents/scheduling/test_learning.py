"""Learning from logged days: coverage, refusals with figures, files, and savings by day."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.agents.scheduling.basis import build_basis, installation_of
from gateway.agents.scheduling.days import saving_of_day
from gateway.agents.scheduling.deciding import default_policy
from gateway.agents.scheduling.history import History, SlotColumn, build_log, contiguous
from gateway.agents.scheduling.learning import check_log, is_rejected, learn
from models.policies.scheduling.log import LogInvalid
from models.policies.scheduling.policy_file import PolicyFileInvalid, read_policy
from models.policies.scheduling.pumping import Pumps
from tests.support.gateway.tanks import LEVEL, OUTFLOW, PUMPS, history_of, operated, step


def changed(history: History, tag: str, column: SlotColumn) -> History:
    """Return a history with another column of a point."""
    return History(history.days, {**history.columns, tag: column})


def test_pumps_are_read_from_the_level_and_the_demand() -> None:
    logged = build_log(step(), history_of(operated(16)))
    basis = build_basis(step(), "d", "f", logged.log, logged.only_pure())
    assert basis.pumps is not None
    assert basis.pumps.flows == pytest.approx((0.0, 90.0, 168.0), rel=0.01)
    assert basis.days == 16


def test_day_with_a_gap_is_left_out_and_short_gaps_are_filled() -> None:
    history = history_of(operated(5))
    flow = history.columns[OUTFLOW].means.copy()
    flow[60] = np.nan
    assert (
        len(build_log(step(), changed(history, OUTFLOW, SlotColumn("m3/h", flow, flow))).days) == 5
    )
    flow[60:66] = np.nan
    logged = build_log(step(), changed(history, OUTFLOW, SlotColumn("m3/h", flow, flow)))
    assert logged.days == (history.days[0], *history.days[2:])
    assert contiguous(logged.days) == [(0, 1), (1, 4)]
    assert logged.covered[OUTFLOW] < 1


def test_states_that_are_reported_on_change_and_twice_a_day_hold_until_the_next_one() -> None:
    run = operated(5)
    history = history_of(run)
    for tag in PUMPS:
        states = history.columns[tag].lasts.copy()
        same = np.append(False, np.diff(states) == 0)
        same[::24] = False
        states[same] = np.nan
        history = changed(history, tag, SlotColumn("", states, states))
    logged = build_log(step(), history)
    assert logged.log is not None
    assert np.array_equal(logged.log.actions, run.pumps)


def test_log_in_other_units_gives_the_same_volumes() -> None:
    history = history_of(operated(3))
    litres = history.columns[LEVEL].lasts * 1000
    changed_unit = changed(history, LEVEL, SlotColumn("L", litres, litres))
    first, second = build_log(step(), history), build_log(step(), changed_unit)
    assert first.log is not None
    assert second.log is not None
    assert second.log.levels == pytest.approx(first.log.levels)


def test_too_few_days_are_refused_with_the_share_of_slots_with_readings() -> None:
    with pytest.raises(LogInvalid, match=r"3 of the last 3 days .* 14 are needed.*T1.LEVEL 100%"):
        check_log(step(), build_log(step(), history_of(operated(3))))
    nothing = build_log(step(), History(history_of(operated(3)).days, {}))
    with pytest.raises(LogInvalid, match=r"0 of the last 3 days .* none"):
        check_log(step(), nothing)


def test_log_without_a_number_of_pumps_is_refused_with_the_counts() -> None:
    run = operated(20, random_share=0.0)
    with pytest.raises(LogInvalid, match=r"0: \d+, 1: 0, 2: \d+; 8 of each are needed"):
        learn(step(), build_log(step(), history_of(run)), "a/b")


def test_learned_schedule_saves_against_log_and_best_band_on_days_it_has_not_seen() -> None:
    found = learn(step(), build_log(step(), history_of(operated(24))), "a/b")
    assert not is_rejected(found.verdict)
    assert found.report["days"] == {"fitted": 16, "held_out": 8}
    assert found.report["replay"]["saving"]["low"] > 0.08
    assert found.report["off_policy"]["saving"]["low"] > 0
    assert found.report["replay"]["violations"] == 0
    assert found.report["coverage"]["steps_outside_levels"] == 0


def test_levels_that_were_never_seen_are_named() -> None:
    wide = step(level={"tag": LEVEL, "minimum": 50, "maximum": 1050}, low=225.0, high=550.0)
    found = check_log(wide, build_log(wide, history_of(operated(16))))
    assert [850.0, 950.0] in found["levels_never_seen_m3"]


def test_file_of_another_plant_or_of_other_levels_is_refused() -> None:
    found = learn(step(), build_log(step(), history_of(operated(16))), "acct_1/ast_1")
    installation = installation_of(step(), found.pumps)
    read_policy(found.content, installation, "acct_1/ast_1")
    for bound_to, other in (
        ("acct_2/ast_1", installation),
        ("acct_1/ast_2", installation),
        ("acct_1/ast_1", installation_of(step(high=540.0, level={"tag": LEVEL, "minimum": 100,
                                                                  "maximum": 590}), found.pumps)),
        ("acct_1/ast_1", replace(installation, prices=installation.prices[::-1])),
    ):  # fmt: skip
        with pytest.raises(PolicyFileInvalid):
            read_policy(found.content, other, bound_to)


def test_saving_of_a_day_without_an_agent_is_about_zero_for_the_band_itself() -> None:
    logged = build_log(step(), history_of(operated(4, random_share=0.0)))
    basis = build_basis(step(), "d", "f", logged.log, logged.only_pure())
    installation = replace(installation_of(step(), None), pumps=default_pumps())
    found = saving_of_day(step(), installation, logged.part(1, 2), default_policy(step(), basis))
    assert found is not None
    assert found.saved == pytest.approx(0.0, abs=1.0)
    assert found.shadow_saved is not None
    assert saving_of_day(step(), installation, logged, None) is None


def default_pumps() -> Pumps:
    """Return the pumps of the simulation."""
    pumps = installation_of(step(), None).pumps
    return replace(pumps, flows=(0.0, 90.0, 168.0))
