"""API keys with their limits and scopes, authentication, and the prices of an account."""
