"""Hierarchies of files: countless children, long chains and cycles."""

from gateway.plant.assets.values import AssetLevel
from gateway.plant.formats.hierarchy import fit_levels, without_cycles
from gateway.plant.formats.results import NoteCode, NoteCollector
from tests.support.nightly import nightly

_MANY = 100_000


@nightly
def test_countless_children_of_one_parent_take_linear_time() -> None:
    parents = {str(number): "root" for number in range(_MANY)}
    levels = {"root": AssetLevel.SITE, **dict.fromkeys(parents, AssetLevel.EQUIPMENT)}
    notes = NoteCollector()
    assert without_cycles(parents, notes) == parents
    assert len(fit_levels(levels, parents, notes)) == _MANY + 1
    assert notes.notes() == ()


def test_long_cycle_loses_one_edge() -> None:
    count = 50_000
    parents = {str(number): str((number + 1) % count) for number in range(count)}
    notes = NoteCollector()
    assert len(without_cycles(parents, notes)) == count - 1
    assert [note.code for note in notes.notes()] == [NoteCode.CYCLE]
