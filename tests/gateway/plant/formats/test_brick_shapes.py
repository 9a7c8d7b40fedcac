"""Exported Brick models against the SHACL shapes of Brick's own ontology."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import shifty

from gateway.plant.formats.brick.reader import read_brick
from gateway.plant.formats.brick.writer import write_brick
from models.training_data import default_directory
from tests.support.nightly import nightly
from tests.support.plants import connected_station

VERSION = "1.4"


def problems(content: bytes) -> list[str]:
    """The violations of Brick's shapes, after inference by its rules."""
    spec = find_spec("brickschema")
    assert spec is not None
    ontology = Path(str(spec.origin)).parent / "ontologies" / VERSION / "Brick.ttl"
    result = shifty.validate_algebra(content, ontology, minimum_severity="violation")
    return [] if result.conforms else result.results_text.splitlines()


def test_export_conforms_to_bricks_shapes() -> None:
    assert problems(write_brick(connected_station()).content) == []


@nightly
def test_shapes_find_what_brick_does_not_allow() -> None:
    content = write_brick(connected_station()).content
    wrong = b"<urn:maas:point:S1.P1.T> <%s> <urn:maas:asset:S1> ." % (
        b"https://brickschema.org/schema/Brick#hasLocation"
    )
    assert problems(content + wrong) != []


def test_export_of_a_published_model_conforms_to_bricks_shapes() -> None:
    path = default_directory() / "brick_models" / "g36-combined-ahu-vav.ttl"
    if not path.is_file():
        pytest.skip("needs the Brick models")
    assert problems(write_brick(read_brick(path.read_bytes()).model).content) == []
