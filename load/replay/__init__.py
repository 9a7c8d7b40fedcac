"""Replay public traces of language model traffic: their arrival times and token counts."""
