"""A member of an account who sends signed evidence to a gateway."""

from typing import Any

import httpx

from tests.support.builders import Gateway
from tests.support.outcomes.outcome_bodies import (
    ATTESTERS,
    EVIDENCE,
    Signer,
)

CLAIM = b'{"outcome": "WO-1"}'


async def add(gateway: Gateway, signer: Signer, **values: Any) -> httpx.Response:
    usual = {"contract": "pumps", "kind": "sign_off", "name": "Wang", "public_key": signer.public}
    return await gateway.http.post(ATTESTERS, json={**usual, **values})


async def send(
    gateway: Gateway, headers: dict[str, str], body: bytes, contract: str, kind: str
) -> httpx.Response:
    asked = {"contract": contract, "kind": kind}
    return await gateway.http.post(EVIDENCE, params=asked, content=body, headers=headers)


class Sender:
    """A member of an account who is an attester of the pump contract."""

    def __init__(self, gateway: Gateway, contract: str, attester: str, signer: Signer) -> None:
        self.gateway, self.signer = gateway, signer
        self.contract, self.attester = contract, attester

    def headers(self, body: bytes = CLAIM, kind: str = "claim") -> dict[str, str]:
        return self.signer.headers(self.attester, self.contract, kind, body)

    async def claims(self, body: bytes = CLAIM) -> httpx.Response:
        return await send(self.gateway, self.headers(body), body, "pumps", "claim")
