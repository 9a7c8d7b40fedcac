"""Specialist benchmark: latency, throughput, and fine-tuned variants."""
