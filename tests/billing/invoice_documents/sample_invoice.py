"""A sample invoice document for tests of rendering."""

from datetime import UTC, date, datetime
from fractions import Fraction

from billing.accounts.parties import Party
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.values import AppliedTerms, DocumentLine, ServicePeriod
from billing.invoices.balances import InvoiceBalance
from billing.rating.statement import LineKind, StatementLine
from billing.subscriptions.usage_totals import NO_TERMS_ID
from infra import ids

VERSION = ids.new_id()
START, END = datetime(2026, 9, 30, 16, tzinfo=UTC), datetime(2026, 10, 31, 16, tzinfo=UTC)
OCTOBER = ServicePeriod(date(2026, 10, 1), date(2026, 10, 31), START, END)
USAGE = DocumentLine(
    number=1,
    line=StatementLine(LineKind.USAGE, 38, VERSION, "llm", "output_tokens", 500_000, 310_000),
    description="llm：输出 token",
    plan="growth",
    plan_name="成长版",
    price_text="¥2.00/百万 token",
)
FEE = DocumentLine(
    number=2,
    line=StatementLine(LineKind.FIXED_FEE, 110_00, VERSION),
    description="成长版：固定费用",
    plan="growth",
    plan_name="成长版",
    price_text="",
    service=OCTOBER,
    base=310_00,
    share=Fraction(11, 31),
)
INVOICE = InvoiceDocument(
    id=ids.new_id(),
    account_id=ids.new_id(),
    number="MAAS-000012",
    status="open",
    locale="zh",
    time_zone="Asia/Shanghai",
    currency="CNY",
    seller=Party("模型服务有限公司", "北京市", "9111"),
    buyer=Party("Acme 精密", "上海市\n浦东新区", "", "bill@acme.cn"),
    issued_on=date(2026, 11, 1),
    due_on=date(2026, 12, 1),
    period=OCTOBER,
    lines=(USAGE, FEE),
    net=110_38,
    tax=6_62,
    total=117_00,
    tax_treatment="standard",
    tax_ppm=60_000,
    collection="manual",
    balance=InvoiceBalance(owed=117_00),
    notes=(),
    tags=(),
    terms=(AppliedTerms(VERSION, "growth", 1, "成长版", Fraction(1), False),),
    as_of=None,
    period_id=ids.new_id(),
    list_version=NO_TERMS_ID,
)
