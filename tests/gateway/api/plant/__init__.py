"""Tests of the API of the plant."""
