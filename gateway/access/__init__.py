"""Who calls: API keys with their limits and scopes, authentication, prices in force."""
