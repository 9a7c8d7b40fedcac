"""The plant model in the database: read, list, change, and write in bulk."""
