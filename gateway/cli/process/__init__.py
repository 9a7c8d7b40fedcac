"""Commands that start, fill, migrate and observe the processes of this machine."""
