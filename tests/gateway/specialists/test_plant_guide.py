"""The commands of docs/plant-afternoon.md, run one after another on a gateway with specialists."""

import asyncio
import gzip
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from gateway.plant.connector.config import load_config
from models.training_data import default_directory
from tests.support.builders import SPECIALIST, Gateway

DOCS = Path(__file__).parents[3] / "docs"
GUIDES = ("plant-afternoon.md", "plant-afternoon.zh.md")
NODESET = "Opc.Ua.Machinery.NodeSet2.xml"
# What a published NodeSet has, where there is none beside the repository.
TYPES_ONLY = b"""<?xml version="1.0"?>
<UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd">
<UAObjectType NodeId="i=1" BrowseName="MachineType"/></UANodeSet>"""


def blocks(name: str, language: str = "bash") -> list[str]:
    text = (DOCS / name).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def published_nodeset() -> bytes:
    file = default_directory() / "opcua_nodesets" / NODESET
    if file.is_file():
        return file.read_bytes()
    packed = file.with_suffix(".xml.gz")
    return gzip.decompress(packed.read_bytes()) if packed.is_file() else TYPES_ONLY


def test_both_languages_have_the_same_commands() -> None:
    english, chinese = ((blocks(name), blocks(name, "toml")) for name in GUIDES)
    assert english == chinese
    assert len(english[0]) == 9


def test_connector_of_the_guide_is_valid(tmp_path: Path) -> None:
    (config,) = blocks(GUIDES[0], "toml")
    (tmp_path / "connector.toml").write_text(config)
    (broker,) = load_config(tmp_path / "connector.toml").mqtt
    assert broker.topics[0].tag == "{2}.VIB"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_guide_leads_to_a_verdict_and_a_trace(
    real: Gateway, processes: None, tmp_path: Path
) -> None:
    prepare, *steps = blocks(GUIDES[0])
    key = real.http.headers["authorization"].removeprefix("Bearer ")
    prepare = prepare.replace("http://127.0.0.1:8080", real.url).replace("maas_…", key)
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / NODESET).write_bytes(published_nodeset())
    ends = [f"echo '--- end of step {number}'" for number, _ in enumerate(steps)]
    script = [prepare, *(part for pair in zip(steps, ends, strict=True) for part in pair)]
    running = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", "\n".join(script),
        cwd=tmp_path,
        env={**os.environ, "NO_PROXY": "*"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await running.communicate()
    printed = re.split(r"--- end of step \d+\n", out.decode())
    assert running.returncode == 0, out.decode()
    tags, notes, nodeset, mapping, readings, verdict, graph, trace, _ = printed
    assert '"create":7' in tags.replace(" ", "")
    assert "Type definitions are not assets" in notes
    assert '"tag":"M2/SpindleVibration"' in nodeset.replace(" ", "")
    assert '"mapping_status":"confirmed"' in mapping.replace(" ", "")
    assert '"proposal":{' in mapping.replace(" ", "")
    assert '"stored":6' in readings.replace(" ", "")
    answer = json.loads((tmp_path / "plant" / "verdict.json").read_text())
    assert answer["predictions"][0]["failure"] == 1
    tags_used = {one.get("tag") for one in answer["asset"]["inputs"]}
    assert {"M1.TA", "M1.TP", "M1.N", "M1.TQ", "M1.WEAR"} <= tags_used
    assert answer["id"] in verdict
    assert "Feed rate too high [" in graph
    assert "Spindle vibration (M1.VIB): 4.8 mm/s, " in graph
    assert SPECIALIST in graph
    assert "urn:maas:asset:M1,urn:maas:failure_mode:" in graph
    assert "hdl:88.100.5001/SHAFT-1" in trace
    assert answer["id"] in trace
    assert "hdl:88.100.5001/SPINDLE-1" in trace
