"""The front of the text models: Ray's own, which also knows models that answer by an adapter.

Nothing of ours is in a token's path.
"""

from collections.abc import Mapping
from typing import Any

from ray.serve.llm.ingress import OpenAiIngress

from serving.text.engine import engine_of


class TextIngress(OpenAiIngress):
    """`engines` is the model whose engine answers, by the name of the model with the adapter."""

    def __init__(self, *given: Any, engines: Mapping[str, str], **named: Any) -> None:
        super().__init__(*given, **named)
        self._engines = engines

    async def _get_model_id(self, model: str | None) -> str:
        """The engine that is asked; the request keeps the name. Raises HTTPException."""
        name = engine_of(model or "")
        known: str = await super()._get_model_id(self._engines.get(name, name) or None)
        return known
