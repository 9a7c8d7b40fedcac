"""The `maas` command: one module per command group, imported when the group is used."""
