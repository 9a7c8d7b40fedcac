"""What tests of all packages share: servers, databases, and clients of both."""
