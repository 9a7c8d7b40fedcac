"""Pages of usage, costs and single calls."""
