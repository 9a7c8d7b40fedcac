"""The official OpenAI client for a test's gateway."""

from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from tests.support.builders import NO_TLS, Gateway


def openai_client(gateway: Gateway) -> AsyncOpenAI:
    """A client with the first account's key, without retries, so that errors are visible."""
    return AsyncOpenAI(
        base_url=f"{gateway.url}/v1",
        api_key=gateway.key.secret,
        max_retries=0,
        timeout=120,
        http_client=DefaultAsyncHttpxClient(verify=NO_TLS),
    )
