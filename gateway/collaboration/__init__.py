"""A general model and specialists that decide together: tools, loop, arbitration, records. Pure."""
