"""Sign-in with an external identity provider: OpenID Connect, WeCom, DingTalk and Feishu."""
