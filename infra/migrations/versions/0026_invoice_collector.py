"""The collector of an invoice and its id there, beside the column that names one collector.

Gateways and workers of the release before read and write `stripe_invoice` only. The trigger keeps
both columns equal, whichever release writes; the next release drops the trigger and the old column.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("invoice", sa.Column("collector", sa.Text(), nullable=True))
    op.add_column("invoice", sa.Column("external_invoice", sa.Text(), nullable=True))
    op.create_unique_constraint(
        "uq_invoice_collector_external_invoice", "invoice", ["collector", "external_invoice"]
    )
    op.execute(
        """
        create function invoice_external_id() returns trigger language plpgsql as $$
        begin
            if new.stripe_invoice is distinct from old.stripe_invoice
                and new.external_invoice is not distinct from old.external_invoice
            then
                new.external_invoice := new.stripe_invoice;
                new.collector := 'stripe';
            elsif new.external_invoice is distinct from old.external_invoice
                and new.collector = 'stripe'
            then
                new.stripe_invoice := new.external_invoice;
            end if;
            return new;
        end $$
        """
    )
    op.execute(
        "create trigger external_id before insert or update on invoice "
        "for each row execute function invoice_external_id()"
    )
    # Also those that wait in the outbox to be sent.
    op.execute(
        """
        update invoice i set collector = 'stripe', external_invoice = stripe_invoice
        where stripe_invoice is not null or exists (
            select from outbox o where o.business_key = 'invoice:' || i.id || '\\:stripe_invoice'
        )
        """
    )


def downgrade() -> None:
    op.execute("drop trigger external_id on invoice")
    op.execute("drop function invoice_external_id")
    op.drop_constraint("uq_invoice_collector_external_invoice", "invoice")
    op.drop_column("invoice", "external_invoice")
    op.drop_column("invoice", "collector")
