"""What arrives at the gateway: notifications, events and bank statements, as HTTP requests."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.fakes.stripe.deliveries import signature


@dataclass(frozen=True)
class Message:
    """One request to the gateway, with its signature or key in the headers."""

    path: str
    body: bytes
    headers: Mapping[str, str]


def stripe_message(path: str, event: Mapping[str, Any], secret: str) -> Message:
    """A signed event of Stripe."""
    body, at = json.dumps(event).encode(), int(time.time())
    headers = {"stripe-signature": f"t={at},v1={signature(body, secret, at)}"}
    return Message(path, body, {**headers, "content-type": "application/json"})


def csv_statement(reference: str, minor: int, payer: str, text: str) -> str:
    """A bank's CSV file with one incoming transfer."""
    header = "交易日期,贷方发生额,对方户名,对方账号,附言,交易流水号,币种"
    amount = f"{minor // 100}.{minor % 100:02d}"
    return f"{header}\n2026-11-03,{amount},{payer},6222001,{text},{reference},人民币\n"


def camt_statement(reference: str, minor: int, payer: str, text: str) -> str:
    """A camt.053 statement with one incoming transfer."""
    amount = f"{minor // 100}.{minor % 100:02d}"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
    <Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>
    <Acct><Id><Othr><Id>3901</Id></Othr></Id></Acct><Ntry><NtryRef>{reference}</NtryRef>
    <Amt Ccy="CNY">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
    <BookgDt><Dt>2026-11-03</Dt></BookgDt><NtryDtls><TxDtls><RltdPties>
    <Dbtr><Pty><Nm>{payer}</Nm></Pty></Dbtr></RltdPties>
    <RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry></Stmt></BkToCstmrStmt>
    </Document>"""
