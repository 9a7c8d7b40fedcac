"""Synthetic training files for fine-tuning specialists."""

from models.rul.data import SENSORS
from models.tag_align.aligner import TagAligner
from tests.support.adaptations import lines
from tests.support.models.made_up_engines import engine

_WORDS = (
    "Supply Air Temperature Sensor",
    "Return Air Temperature Sensor",
    "Supply Air Flow Sensor",
)
_PLACES = ("north", "south", "east", "west", "roof", "hall", "yard", "gate")


def fleet() -> bytes:
    """Five machines run to failure."""
    readings = [engine(seed, 110 + 10 * seed).readings.astype(float) for seed in range(5)]
    return lines(
        *(
            {"sensors": {name: one[:, at].round(4).tolist() for at, name in enumerate(SENSORS)}}
            for one in readings
        )
    )


def confirmations() -> tuple[bytes, list[str]]:
    """Tags of a plant with the points K0, K1 and K2, and their concepts."""
    named = {one.name: one.id for one in TagAligner.load().names.concepts}
    concepts = [named[word] for word in _WORDS]
    tags = [
        {"tag": f"{place}_QX{'ABC'[at]}_{at}", "concept": concept}
        for place in _PLACES
        for at, concept in enumerate(concepts)
    ]
    return lines(*tags), concepts
