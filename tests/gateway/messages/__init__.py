"""Tests of `/v1/messages` through a gateway."""
