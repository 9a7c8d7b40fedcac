"""Projects of a gateway's account, through the API."""

from infra import ids
from tests.support.builders import Gateway

_PATH = "/v1/organization/projects"


async def add_project(gateway: Gateway) -> str:
    """Create a project with a name of its own and a budget; returns its id."""
    body = {"name": f"Line {ids.new_id().hex}", "budget": {"monthly": "200"}}
    answer = await gateway.http.post(_PATH, json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def add_service_account(gateway: Gateway, project: str) -> str:
    """Create a service account; returns its id."""
    answer = await gateway.http.post(f"{_PATH}/{project}/service_accounts", json={"name": "PLC 7"})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])
