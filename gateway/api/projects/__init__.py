"""`/v1/organization/projects`: projects with their members, service accounts and keys."""
