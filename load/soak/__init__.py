"""An hour under load while things happen to the service: nothing may be lost, nor memory grow."""
