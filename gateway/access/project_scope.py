"""Which calls an API key may list: those of its account, or only those of its project.

A key of the default project has the scope of the account. A key of another project lists the calls,
batches and decision records of that project; the ones of other projects are not found.
"""

from collections.abc import Sequence
from uuid import UUID

from gateway.call.values import Principal


def only_project(principal: Principal) -> UUID | None:
    """Return the only project that a key may read; None is all projects of its account."""
    project_id = principal.project_id
    return None if project_id == principal.account_id else project_id


def readable_projects(
    principal: Principal, requested: Sequence[UUID] | None = None
) -> list[UUID] | None:
    """Return the requested projects that a key may read; None is all projects of its account.

    Nothing requested is everything readable. A list without projects selects no calls.
    """
    only = only_project(principal)
    if only is None:
        return None if requested is None else list(requested)
    return [one for one in requested or [only] if one == only]
