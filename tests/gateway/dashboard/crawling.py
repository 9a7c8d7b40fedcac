"""The routes of pages and forms with an id of an account's row in their path, from the router."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.dashboard.router import HANDLERS, PATH
from tests.support.dashboard.looking import Looker

# Path parameters that are no row of an account: secrets of links, public plans and packs, names of
# changes, identity providers, and passkeys, which belong to a person.
NO_ROWS = {"secret", "plan", "version", "switch", "number", "name", "change", "pack"} | {
    "provider",
    "passkey",
}
# Checked by a test of test_outcomes.py, as they need a settled contract.
OUTCOMES = {"contract", "settlement", "dispute"}
_NAMED = re.compile(r"{(\w+):\w+}")


@dataclass(frozen=True, slots=True)
class Route:
    """The route of a page or form below the dashboard."""

    method: str
    path: str

    @property
    def names(self) -> set[str]:
        return set(_NAMED.findall(self.path))

    @property
    def of_platform(self) -> bool:
        return self.path.startswith("/platform")

    def address(self, values: Mapping[str, str]) -> str:
        return PATH + _NAMED.sub(lambda name: values[name[1]], self.path).rstrip("/")


def routes() -> Iterator[Route]:
    """The routes with an id of an account's row in their path."""
    for one in HANDLERS:
        handlers = vars(one).values() if isinstance(one, type) else [one]
        path = getattr(one, "path", "") if isinstance(one, type) else ""
        for handler in handlers:
            for method in sorted(getattr(handler, "http_methods", ())):
                for below in handler.paths:
                    route = Route(method, f"{path if isinstance(path, str) else ''}{below}")
                    if route.names - {"secret"}:
                        yield route


async def answers(who: Looker, route: Route, values: Mapping[str, str]) -> int:
    address = route.address(values)
    if route.method == "GET":
        return (await who.http.get(address)).status_code
    return (await who.send(address, reason="because", role="viewer", name="mine")).status_code
