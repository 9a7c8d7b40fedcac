"""`maas plant`: the plant model of an account."""
