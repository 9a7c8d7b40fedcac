"""Events of an account: what happened, stored for its notification endpoints."""
