"""Request bodies of outcome contracts and keys for gateway tests."""

import tomllib
from typing import Any

import httpx
import msgspec

from billing.outcomes.evidence.signatures import generate_key_pair, sign, signing_message
from tests.support.builders import Gateway
from tests.support.outcomes.contract_texts import EVENT, MEASURE

CONTRACTS, ATTESTERS = "/v1/outcomes/contracts", "/v1/outcomes/attesters"
EVIDENCE = "/v1/outcomes/evidence"
# Far ahead, as the clock is the machine's.
PUMPS = EVENT.replace("2026-11-01", "2099-01-01")
ENERGY = MEASURE.replace("2026-11-01", "2099-01-01").replace("2027-11-01", "2100-01-01")
READINGS = b"at,value,unit,parts\n2026-10-01T00:00:00+08:00,412.5,kWh,1180\n"


def as_json(toml: str) -> bytes:
    return msgspec.json.encode(tomllib.loads(toml))


async def propose(gateway: Gateway, toml: str = PUMPS) -> dict[str, Any]:
    answer = await gateway.http.post(CONTRACTS, content=as_json(toml))
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def code(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


class Signer:
    """A signer with a key pair."""

    def __init__(self) -> None:
        self.private, public = generate_key_pair()
        self.public = public.decode()

    def headers(self, attester: str, contract: str, kind: str, body: bytes) -> dict[str, str]:
        signature = sign(self.private, signing_message(contract, kind, body))
        return {"x-maas-attester": attester, "x-maas-signature": signature}
