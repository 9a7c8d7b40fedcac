"""Fakes that speak the real protocol on a real socket."""
