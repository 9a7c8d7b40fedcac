"""Passkeys (WebAuthn): sign-in with a device's fingerprint, face or PIN instead of a password."""
