"""Imports of files into the plant model with a preview, and exports."""
