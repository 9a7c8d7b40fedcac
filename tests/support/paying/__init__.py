"""Six payment methods through one gateway, with stand-ins for their providers on real sockets."""
