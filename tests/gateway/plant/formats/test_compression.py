"""Files in gzip: unpacked within limits, refused if damaged; and published files in any format."""

import gzip

import pytest

from gateway.plant.assets.index import PlantIndex
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import Source
from gateway.plant.formats.compression import unpacked
from gateway.plant.formats.limits import FormatLimits
from gateway.plant.formats.nodeset.writer import write_nodeset
from gateway.plant.formats.results import FormatInvalid, FormatTooLarge
from gateway.plant.imports.exchange_formats import PlantFile
from gateway.plant.imports.readers import FileContent, read_plant_file
from models.problems import Problems
from models.training_data import default_directory
from tests.support.plants import connected_station, contents

_FOLDERS = ("aas_files", "opcua_nodesets", "brick_models")
_ENDINGS = (".aasx", ".json", ".xml", ".gz", ".ttl")
PUBLISHED = [
    path
    for folder in _FOLDERS
    for path in sorted((default_directory() / folder).glob("*"))
    if path.suffix in _ENDINGS
]


def read(name: str, content: bytes) -> tuple[FileContent, Problems]:
    problems = Problems()
    file = PlantFile(name, content)
    return read_plant_file(file, PlantIndex(), PlantLimits(), problems), problems


def test_packed_file_is_read_as_the_file_itself() -> None:
    content = write_nodeset(connected_station()).content
    found, problems = read("plant.NodeSet2.xml.gz", gzip.compress(content))
    assert contents(found.model) == contents(connected_station())
    assert list(problems.shown) == []


def test_gzip_bomb_is_refused_before_it_is_unpacked() -> None:
    limits = FormatLimits(max_bytes=1_000_000)
    with pytest.raises(FormatTooLarge):
        unpacked(gzip.compress(bytes(50_000_000)), limits)


@pytest.mark.parametrize("cut", [slice(0, 30), slice(0, -1)])
def test_damaged_file_is_a_problem(cut: slice) -> None:
    content = gzip.compress(b"tag,unit\n" + b"T-1,bar\n" * 100)[cut]
    _, problems = read("tags.csv.gz", content)
    assert [one.code for one in problems.shown] == ["file_invalid"]


def test_data_after_the_packed_file_is_refused() -> None:
    with pytest.raises(FormatInvalid):
        unpacked(gzip.compress(b"a") + b"more")


@pytest.mark.skipif(not PUBLISHED, reason="needs the published files")
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
def test_published_file_is_read_without_problems(path: object) -> None:
    found, problems = read(path.name, path.read_bytes())  # type: ignore[attr-defined]
    assert list(problems.shown) == []
    assert found.source in (Source.AAS, Source.NODESET, Source.BRICK)
    # Companion specifications define types only; they import nothing, and notes say so.
    assert found.model.assets or problems.notes
