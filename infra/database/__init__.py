"""PostgreSQL: connections, embedded server, migrations and backup."""
