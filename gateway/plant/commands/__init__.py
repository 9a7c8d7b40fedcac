"""Commands to machines: limits signed by the owner, and the checks of each command; pure."""
