"""Tests of gateway/wire/messages."""
