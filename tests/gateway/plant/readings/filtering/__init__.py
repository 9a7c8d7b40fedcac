"""Tests of filters at the source."""
