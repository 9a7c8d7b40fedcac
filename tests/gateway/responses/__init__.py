"""Tests of the Responses API through a gateway."""
