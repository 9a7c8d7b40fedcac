"""Tests of the Responses API's wire format."""
