"""The official OpenAI client for a gateway of a test."""

from openai import AsyncOpenAI

from tests.support.builders import Gateway


def openai_client(gateway: Gateway) -> AsyncOpenAI:
    """With the first account's key. It tries nothing again: what fails is to be seen."""
    return AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key=gateway.key.secret, max_retries=0, timeout=120
    )
