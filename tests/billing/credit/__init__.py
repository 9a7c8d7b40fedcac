"""Tests of billing/credit."""
