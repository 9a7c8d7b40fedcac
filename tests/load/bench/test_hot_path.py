"""The stages of the benchmark of a plain call: their costs, and how they are attributed."""

import pytest

from load.bench.hot_path.callgrind import parse_annotated
from load.bench.hot_path.counting import StageCounts
from load.bench.hot_path.stages import NO_STAGE, STAGES, install, own_costs

_ANNOTATED = """\
--------------------------------------------------------------------------------
1,234,567 (100.0%)  PROGRAM TOTALS

1,000,000 (81.00%)  stage_counter.c:hot_stage_1 [/tmp/stage_counter.so]
  400,000 (32.40%)  stage_counter.c:hot_stage_10 [/tmp/stage_counter.so]
"""


def test_instructions_of_stages_are_read_from_the_annotated_profile() -> None:
    total, stages = parse_annotated(_ANNOTATED)
    assert total == 1_234_567
    assert (stages[1], stages[10], stages[0]) == (1_000_000, 400_000, 0)


def test_profile_without_totals_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="counted nothing"):
        parse_annotated("")


def test_own_cost_of_a_stage_leaves_out_the_stages_that_it_calls() -> None:
    inclusive = [1.0] * len(STAGES)
    children = [sum(stage.parent == number for stage in STAGES) for number in range(len(STAGES))]
    assert own_costs(inclusive) == [1.0 - number for number in children]


def test_every_stage_is_called_by_an_earlier_one() -> None:
    assert all(stage.parent < number for number, stage in enumerate(STAGES))


def test_function_calls_are_counted_for_the_innermost_stage() -> None:
    counts = StageCounts()
    outer, inner = counts.run_of(1), counts.run_of(2)
    counts.start(counts_calls=True)
    outer(inner, lambda: None)
    counts.stop()
    assert (counts.calls[1], counts.calls[2]) == (0, 1)
    assert counts.cpu_ns[2] > 0


def test_stages_are_undone() -> None:
    before = [getattr(stage.owner, stage.method) for stage in STAGES]
    undo = install(StageCounts().run_of)
    assert all(getattr(s.owner, s.method) is not old for s, old in zip(STAGES, before, strict=True))
    undo()
    assert [getattr(stage.owner, stage.method) for stage in STAGES] == before
    assert NO_STAGE not in range(len(STAGES))
