"""Predictions by asset: a specialist's inputs from the readings of an asset's points."""
