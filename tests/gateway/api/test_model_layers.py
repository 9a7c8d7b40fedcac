"""Base and derived language models, as the official OpenAI client lists them."""

from typing import Any

from tests.support.builders import CHAT, INDUSTRIAL, Gateway
from tests.support.openai_client import openai_client


async def test_model_list_shows_the_parent_of_a_derived_model(gateway: Gateway) -> None:
    async with openai_client(gateway) as openai:
        listed: Any = {model.id: model for model in (await openai.models.list()).data}
    assert listed[INDUSTRIAL].parent == CHAT
    assert listed[CHAT].parent is None
