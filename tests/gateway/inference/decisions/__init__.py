"""Tests of `/v1/decisions`."""
