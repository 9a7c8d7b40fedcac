"""`maas plant`: the plant model of an account and its readings."""
