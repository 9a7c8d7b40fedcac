"""Stand-ins that speak the real wire on a real socket."""
