"""The plant model as values, with its checks and the planning of imports; no database."""
