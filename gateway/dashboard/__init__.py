"""The dashboard: pages at `/dashboard` for those who pay, build and operate.

Server-rendered, and usable without scripts. Owns what is shown and how; every number comes from
billing, by the same functions that the API answers with. router.py puts it together.
"""
