"""A gateway whose account has an outcome contract."""

from dataclasses import dataclass
from typing import Any

from infra import ids
from tests.support.builders import Gateway
from tests.support.gateway.errors import error_of
from tests.support.stories.outcome_story import Contract


@dataclass
class Told:
    """A gateway whose account has the default contract, on 20 October."""

    gateway: Gateway
    of: Contract

    async def get(self, place: str, **query: Any) -> Any:
        answer = await self.gateway.http.get(f"/v1/outcomes{place}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, place: str, key: str | None = None, **body: Any) -> Any:
        headers = {} if key is None else {"idempotency-key": key}
        http = self.gateway.http
        answer = await http.post(f"/v1/outcomes{place}", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, place: str, **body: Any) -> tuple[int, str]:
        answer = await self.gateway.http.post(f"/v1/outcomes{place}", json=body)
        return answer.status_code, error_of(answer)["code"]

    async def says(self, kind: str, said: dict[str, Any], by: str = "customer_system") -> str:
        return ids.format_id("evd", await self.of.says(kind, by, said))

    async def claimed(self, key: str, machine: str, by: str = "our_model") -> Any:
        """Claim a failure of 11 October, six hours after a call."""
        await self.of.use(machine, 2026, 10, 11, 6)
        happened_at = self.of.firm.story.clock.at(2026, 10, 11, 12).isoformat()
        said = {"outcome": key, "subject": machine, "happened_at": happened_at}
        evidence = await self.says("claim", said, by)
        return await self.post("", contract="spindles", evidence=evidence)

    async def settled(self) -> Any:
        """Settle one failure on 4 November."""
        await self.claimed("W-1", "M1", by="customer_system")
        await self.of.until(2026, 11, 4)
        (found,) = (await self.get("/settlements"))["data"]
        return found
