"""A plain call, from the official client to the usage row."""

from openai import AsyncOpenAI

from tests.builders import CHAT, Gateway


class TestChat:
    async def test_answers_and_is_priced(self, gateway: Gateway) -> None:
        # 3 words in at 500 nano, 5 tokens out at 2000 nano: 1,500 + 10,000 = 11,500 nano-yuan.
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key.secret) as client:
            answer = await client.chat.completions.with_raw_response.create(
                model=CHAT, messages=[{"role": "user", "content": "one two three"}], max_tokens=5
            )
        assert answer.parse().choices[0].message.content == "word " * 5
        assert answer.headers["x-maas-cost"] == "0.000011500"
        assert answer.headers["x-maas-currency"] == "CNY"
        row = await gateway.row()
        assert (row["settlement"], row["status"]) == ("complete", 200)
        assert (row["input_tokens"], row["output_tokens"]) == (3, 5)
        assert row["cost"] == "0.000011500"
        assert row["request_id"] == answer.headers["x-request-id"]
