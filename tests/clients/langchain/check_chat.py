"""LangChain's standard tests of chat models for an unchanged `ChatOpenAI`, against a gateway."""

import os
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests


class TestChatOpenAI(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": os.environ["MAAS_CLIENT_MODEL"],
            "base_url": os.environ["MAAS_CLIENT_URL"] + "/v1",
            "api_key": os.environ["MAAS_CLIENT_KEY"],
            "temperature": 0,
            "max_retries": 0,
            "stream_usage": True,
        }

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return os.environ["MAAS_CLIENT_MODEL"]
