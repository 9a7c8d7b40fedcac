"""A promoted version: billing, held-out examples, mixing and stored weights."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.tables import ModelVersion, VersionStatus
from tests.support import builders
from tests.support.gateway.shops import SHARED, Shop, run_shop


@dataclass(frozen=True)
class Promoted:
    """The platform, its promoted version, and the number of customer calls before it."""

    shop: Shop
    row: ModelVersion
    calls: int


@pytest.fixture(scope="module")
async def promoted(
    postgres: str, emptying: builders.Emptying, lasting: object
) -> AsyncIterator[Promoted]:
    """Created once for the module; the tests only read it."""
    with emptying.keeping(), TemporaryDirectory(prefix="maas-test-") as folder:
        async with run_shop(postgres, Path(folder)) as shop:
            await shop.corrected()
            calls = len(await shop.sql("select 1 from usage"))
            yield Promoted(shop, await shop.proposes(), calls)


async def test_promoted_version_creates_no_usage_rows(promoted: Promoted) -> None:
    assert promoted.calls == 24
    assert len(await promoted.shop.sql("select 1 from usage")) == promoted.calls


async def test_held_out_examples_are_not_in_the_training_file(promoted: Promoted) -> None:
    shop = promoted.shop
    held = [one for one in await shop.provenance(1) if one["held_out"]]
    (content,) = shop.serving.files
    rows = await shop.sql("select messages->0->>'content' from feedback")
    asked = [question for (question,) in rows]
    assert sum(question not in content.decode() for question in asked) == len(held)


async def test_version_is_trained_with_mixing_of_one_half(promoted: Promoted) -> None:
    assert promoted.shop.serving.mixings == ["0.50"]


async def test_stored_and_served_weights_are_the_trained_ones(promoted: Promoted) -> None:
    shop = promoted.shop
    ((artefact,),) = await shop.sql("select artefact from model_version")
    assert json.loads(artefact) == {"rule": True, "forgets": False}
    (brought,) = shop.serving.brought.values()
    assert base64.b64decode(brought["artefact"]) == artefact
    assert (brought["name"], brought["base"]) == (f"{SHARED}@1", SHARED)
    assert promoted.row.status == VersionStatus.PROMOTED
