"""What a connector and the gateway say to each other: `POST /v1/plant/commands/exchange`."""

from typing import Annotated

import msgspec

from gateway.plant.commands.values import Command, Renewal, Report

PATH = "/v1/plant/commands"
EXCHANGE_PATH = f"{PATH}/exchange"
MAX_REPORTS, MAX_COMMANDS = 200, 200
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ExchangeRequest(msgspec.Struct, kw_only=True):
    """A connector asks for commands and reports the outcomes of earlier ones.

    `keys` are the thumbprints of the owner's keys that the connector trusts, `tags` the points that
    it can write.
    """

    connector: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    keys: Annotated[list[_Name], msgspec.Meta(max_length=20)] = []
    tags: Annotated[list[_Name], msgspec.Meta(max_length=1_000)] = []
    reports: Annotated[list[Report], msgspec.Meta(max_length=MAX_REPORTS)] = []


class ExchangeResponse(msgspec.Struct, kw_only=True):
    """The signed limits in force (None without), commands without an outcome, and renewals.

    All reports of the request are stored.
    """

    limits: str | None
    commands: list[Command]
    renewals: list[Renewal]
