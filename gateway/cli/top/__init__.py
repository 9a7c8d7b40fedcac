"""`maas top`: a live view of one gateway process, read from its metrics."""
