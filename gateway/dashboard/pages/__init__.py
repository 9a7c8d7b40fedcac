"""Page handlers, one module per page: parse the request, call billing or identity, render."""
