"""`/v1/organization/…`: what an account's administrators do, in OpenAI's shapes."""
