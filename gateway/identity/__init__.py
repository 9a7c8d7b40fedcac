"""People: login, sessions, invitations, roles, second factor and audit log."""
