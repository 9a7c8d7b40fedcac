"""Ray Serve applications that serve the models of the catalog."""
