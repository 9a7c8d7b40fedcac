"""`/v1/admin/…`: what operators do with the CLI and on the platform's pages, for programs."""
