"""The OpenAPI document: operations, examples, responses and groups."""
