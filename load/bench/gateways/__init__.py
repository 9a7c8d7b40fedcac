"""Our gateway beside other gateways: the same calls, the same constant upstream, one machine."""
