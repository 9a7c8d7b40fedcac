"""Two versions of a customer's adapter on one engine: a random model and adapters, real vLLM."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from infra.lazy_import import LazyModule
from models.industrial_llm.recipes import Recipe
from serving.text.adapter_store import NAME_FILE
from tests.serving.text.made_up_engine import ENVIRONMENT
from tests.support.heavy import NEEDS_PEFT, NEEDS_VLLM
from tests.support.models.made_up_qwen import made_up_qwen
from tests.support.nightly import nightly
from tests.support.sources import ROOT

if TYPE_CHECKING:
    import torch

    from models.industrial_llm import lora
else:
    torch = LazyModule("torch")
    lora = LazyModule("models.industrial_llm.lora")

# An engine of its own takes a minute.
pytestmark = [*NEEDS_PEFT, *NEEDS_VLLM, nightly]
NAME = "ft:industrial-llm:acct:pump"
RECIPE = Recipe("made-up/qwen", {}, learning_rate=0.01)


def write_versions(weights: Path, folder: Path) -> Path:
    """Store two adapters of random weights under one public name."""
    for version in (1, 2):
        model = lora.load_model(weights, RECIPE, "cpu")
        torch.manual_seed(version)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.normal_(0, 0.3)
        stored = folder / f"var_v{version}"
        lora.save_adapter(model, stored, RECIPE.base, lora.text_part_name(weights))
        (stored / NAME_FILE).write_text(NAME)
    return folder


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("versions")
    weights = made_up_qwen(folder / "weights")
    adapters = write_versions(weights, folder / "adapters")
    asked = (str(weights), str(adapters), str(folder / "answers.json"))
    subprocess.run(
        [sys.executable, "-m", "tests.serving.text.ask_versions", *asked],
        env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    found: dict[str, Any] = msgspec.json.decode((folder / "answers.json").read_bytes())
    return found


@pytest.mark.usefixtures("processes")
class TestVersions:
    def test_versions_answer_under_their_public_name(self, answers: dict[str, Any]) -> None:
        first, second = answers["alone"]
        assert first["model"] == second["model"] == NAME
        assert first["tokens"] != second["tokens"]

    @pytest.mark.parametrize("asked", ["in_turn", "at_once"])
    def test_version_answers_by_its_own_weights(self, answers: dict[str, Any], asked: str) -> None:
        """Also after the other one has computed the same prompt, and while it is being asked."""
        assert answers[asked] == answers["alone"] * 2
