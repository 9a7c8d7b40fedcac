"""Tests of typed questions: prompts, scores, calibration."""
