"""The Responses API beyond one call: stored responses, conversations, background responses."""
