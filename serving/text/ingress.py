"""Ray's OpenAI ingress of the text models, extended by LoRA adapters on another model's engine."""

from collections.abc import Mapping
from typing import Any

from ray.serve.llm.ingress import OpenAiIngress

from serving.text.engine import engine_model_id


class TextIngress(OpenAiIngress):
    """Ray's OpenAI ingress; `engines` maps each adapter model to the model of its engine."""

    def __init__(self, *args: Any, engines: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._engines = engines

    async def _get_model_id(self, model: str | None) -> str:
        """Return the model whose engine serves `model`; the request keeps its name.

        Raises HTTPException if the model is unknown.
        """
        name = engine_model_id(model or "")
        model_id: str = await super()._get_model_id(self._engines.get(name, name) or None)
        return model_id
