"""The hot path of one plain call in one process without sockets to client and model server."""
