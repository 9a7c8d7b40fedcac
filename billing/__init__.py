"""Money and time: what was agreed, used, invoiced, told, collected and checked.

Its packages import downwards, in the order of the contract in pyproject.toml: jobs, checks, rounds,
collecting, notices, subscribing, documents, invoices, books, agreements, accounts, metering,
rating.
"""
