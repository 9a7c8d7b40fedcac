"""The API error for a key whose project is archived."""

from gateway.call.errors import Unauthorised


class ProjectArchived(Unauthorised):
    """The project of the API key was archived, which disables its keys."""

    code = "project_archived"
