"""The variant store of several replicas: own caches, one shared folder."""

import asyncio
import json
import os
import threading
from base64 import b64encode
from pathlib import Path

import pytest

from serving.errors import ModelNotFound, WeightsBroken
from serving.specialists.specialist import OnnxSpecialist, Specialist, load_onnx_specialist
from serving.specialists.variant_store import VariantStore
from serving.variant_folder import VariantFolder
from tests.support.models.artefacts import write_artefact

ONE, TWO = (f"var_{number:032x}" for number in range(2))


class Replica:
    """A variant store that records each load of a variant."""

    def __init__(self, path: Path, variants: Path) -> None:
        self.base = load_onnx_specialist("tiny", path)
        self.made: list[threading.Thread] = []
        self.shelf = VariantStore(self._find, VariantFolder(variants))

    def _find(self, name: str) -> Specialist:
        self.made.append(threading.current_thread())
        if name != "tiny":
            raise ModelNotFound("This deployment does not serve this specialist model.")
        return self.base


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_artefact(tmp_path / "tiny.onnx")


@pytest.fixture
def artefact(path: Path) -> bytes:
    return path.read_bytes()


@pytest.fixture
def variants(tmp_path: Path) -> Path:
    path = tmp_path / "variants"
    path.mkdir()
    return path


@pytest.fixture
def replicas(path: Path, variants: Path) -> tuple[Replica, Replica]:
    return Replica(path, variants), Replica(path, variants)


def body(content: bytes, base: str = "tiny") -> bytes:
    given = {"base": base, "name": "ft:tiny:line-3", "version": "2"}
    return json.dumps({**given, "artefact": b64encode(content).decode()}).encode()


class TestVariantStore:
    async def test_second_replica_finds_stored_variant(
        self, replicas: tuple[Replica, Replica], artefact: bytes
    ) -> None:
        one, other = replicas
        assert await other.shelf.find(ONE) is None
        assert await one.shelf.put(ONE, body(artefact)) == "ft:tiny:line-3"
        found = await other.shelf.find(ONE)
        assert found is not None
        assert isinstance(found.specialist, OnnxSpecialist)
        assert (found.base, found.specialist.name) == ("tiny", "ft:tiny:line-3")
        assert found.specialist.signature.version == "2"
        assert found.size == len(artefact)
        assert await other.shelf.find(TWO) is None

    async def test_concurrent_lookups_load_variant_once(
        self, replicas: tuple[Replica, Replica], artefact: bytes
    ) -> None:
        one, other = replicas
        await one.shelf.put(ONE, body(artefact))
        found = await asyncio.gather(*(other.shelf.find(ONE) for _ in range(20)))
        assert len({id(variant) for variant in found}) == 1
        assert len(other.made) == 1
        # Loaded outside the event loop, which serves all requests.
        assert other.made[0] is not threading.current_thread()

    async def test_cancelled_lookup_does_not_cancel_other_lookups(
        self, replicas: tuple[Replica, Replica], artefact: bytes
    ) -> None:
        one, other = replicas
        await one.shelf.put(ONE, body(artefact))
        first = asyncio.create_task(other.shelf.find(ONE))
        second = asyncio.create_task(other.shelf.find(ONE))
        await asyncio.sleep(0)
        first.cancel()
        assert await second is not None

    async def test_removed_variant_is_not_found_by_any_replica(
        self, replicas: tuple[Replica, Replica], artefact: bytes
    ) -> None:
        one, other = replicas
        await one.shelf.put(ONE, body(artefact))
        await one.shelf.remove(ONE)
        assert await one.shelf.find(ONE) is None
        assert await other.shelf.find(ONE) is None

    async def test_variant_deleted_by_one_replica_is_dropped_by_others(
        self, replicas: tuple[Replica, Replica], artefact: bytes
    ) -> None:
        one, other = replicas
        for variant_id in (ONE, TWO):
            await one.shelf.put(variant_id, body(artefact))
            assert await other.shelf.find(variant_id) is not None
        await one.shelf.remove(ONE)
        await other.shelf.drop_deleted()
        assert await other.shelf.find(ONE) is None
        assert await other.shelf.find(TWO) is not None

    async def test_missing_folder_limits_variant_to_its_replica(
        self, replicas: tuple[Replica, Replica], artefact: bytes, variants: Path
    ) -> None:
        one, other = replicas
        await asyncio.to_thread(variants.rmdir)
        await one.shelf.put(ONE, body(artefact))
        assert await one.shelf.find(ONE) is not None
        assert await other.shelf.find(ONE) is None

    @pytest.mark.parametrize("content", [b"\xc1", b"\x84", b""])
    async def test_file_in_unknown_format_is_deleted_and_not_found(
        self, replicas: tuple[Replica, Replica], variants: Path, content: bytes
    ) -> None:
        VariantFolder(variants).write(ONE, content)
        assert await replicas[0].shelf.find(ONE) is None
        assert os.listdir(variants) == []

    async def test_unloadable_variant_is_not_stored(
        self, replicas: tuple[Replica, Replica], variants: Path
    ) -> None:
        with pytest.raises(WeightsBroken):
            await replicas[0].shelf.put(ONE, body(b"no model"))
        with pytest.raises(ModelNotFound):
            await replicas[0].shelf.put(ONE, body(b"no model", base="other"))
        assert os.listdir(variants) == []
