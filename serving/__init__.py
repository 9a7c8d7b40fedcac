"""Ray Serve applications that answer for the models of the catalog."""
