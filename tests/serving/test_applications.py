"""The applications for a Ray cluster of somebody else's: they are those of one machine.

That their names and prefixes are those of a running engine is in tests/engine/test_applications.py.
"""

import ast
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from tests.support.engine.process import WEIGHTS

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "infra" / "deploy" / "helm" / "maas" / "serve.yaml"
# In a process of its own: Ray and vLLM take half a minute to import, and settle much when they are.
_BUILD = """
import json, sys
from pathlib import Path
from ray._common.utils import import_attr
from serving import applications
from serving.cluster.plan import plan_applications
planned = {}
def seen(*arguments):
    made = plan_applications(*arguments)
    planned.update({one.name: one.route_prefix for one in made})
    return made
applications.plan_applications = seen
paths = sys.argv[1:]
print(json.dumps({"built": [type(import_attr(one)({})).__name__ for one in paths], **planned}))
"""


def test_each_import_path_is_a_function_that_builds_one() -> None:
    tree = ast.parse((ROOT / "serving" / "applications.py").read_text(encoding="utf-8"))
    builders = {
        f"serving.applications:{one.name}"
        for one in tree.body
        if isinstance(one, ast.FunctionDef) and ast.unparse(one.returns or one) == "Application"
    }
    named = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["applications"]
    assert {one["import_path"] for one in named} <= builders


@pytest.mark.skipif("MAAS_CHAOS" not in os.environ, reason="imports vLLM: only in `make chaos`")
def test_the_config_file_names_what_one_machine_serves() -> None:
    if find_spec("vllm") is None or find_spec("ray") is None:
        pytest.skip("needs the serving-cpu extra")
    named = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["applications"]
    with tempfile.TemporaryDirectory(prefix="maas-serving-") as folder:
        WEIGHTS.mkdir(parents=True, exist_ok=True)
        (Path(folder) / "weights").symlink_to(WEIGHTS)
        done = subprocess.run(
            [sys.executable, "-c", _BUILD, *(one["import_path"] for one in named)],
            env={**os.environ, "MAAS_DATA_DIR": folder, "MAAS_PROFILE": "cpu"},
            capture_output=True,
            text=True,
            check=True,
        )
    said = json.loads(done.stdout.splitlines()[-1])
    assert said.pop("built") == ["Application"] * len(named)
    assert said == {one["name"]: one["route_prefix"] for one in named}
