"""`maas node`: identifier nodes."""
