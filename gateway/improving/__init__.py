"""The way back: what customers say of answers becomes better versions of the shared models."""
