"""The applications for an external Ray cluster equal those of a single machine.

tests/engine/test_applications.py checks that names and prefixes match those of a running engine.
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
from tests.support.profile import PROFILE

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "infra" / "deploy" / "helm" / "maas" / "serve.yaml"
# In a separate process: Ray and vLLM take half a minute to import and change global state.
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


def test_serve_config_import_paths_are_application_builders() -> None:
    tree = ast.parse((ROOT / "serving" / "applications.py").read_text(encoding="utf-8"))
    builders = {
        f"serving.applications:{one.name}"
        for one in tree.body
        if isinstance(one, ast.FunctionDef) and ast.unparse(one.returns or one) == "Application"
    }
    named = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["applications"]
    assert {one["import_path"] for one in named} <= builders


@pytest.mark.usefixtures("network", "processes")
@pytest.mark.skipif("MAAS_CHAOS" not in os.environ, reason="imports vLLM: only in `make chaos`")
def test_serve_config_applications_match_single_machine_plan() -> None:
    if find_spec("vllm") is None or find_spec("ray") is None:
        pytest.skip("needs the serving-cpu extra")
    named = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["applications"]
    with tempfile.TemporaryDirectory(prefix="maas-serving-") as folder:
        WEIGHTS.mkdir(parents=True, exist_ok=True)
        (Path(folder) / "weights").symlink_to(WEIGHTS)
        done = subprocess.run(
            [sys.executable, "-c", _BUILD, *(one["import_path"] for one in named)],
            env={**os.environ, "MAAS_DATA_DIR": folder, "MAAS_PROFILE": PROFILE},
            capture_output=True,
            text=True,
            check=True,
        )
    said = json.loads(done.stdout.splitlines()[-1])
    assert said.pop("built") == ["Application"] * len(named)
    assert said == {one["name"]: one["route_prefix"] for one in named}
