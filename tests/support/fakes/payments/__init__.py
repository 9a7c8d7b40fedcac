"""Stand-ins for WeChat Pay and Alipay on real sockets, with real signatures.

They follow the public documentation of WeChat Pay's API v3 and Alipay's open platform.
"""
