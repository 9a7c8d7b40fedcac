"""Specialist models under the Open Inference Protocol."""
