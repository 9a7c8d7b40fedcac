"""The collector of an account and its id there, beside the column that names one collector.

As for invoices (0026), a trigger keeps both columns equal while two releases run.
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("billing_profile", sa.Column("collector", sa.Text(), nullable=True))
    op.add_column("billing_profile", sa.Column("external_customer", sa.Text(), nullable=True))
    op.create_unique_constraint(
        "uq_billing_profile_collector_external_customer",
        "billing_profile",
        ["collector", "external_customer"],
    )
    op.execute(
        """
        create function billing_profile_external_id() returns trigger language plpgsql as $$
        begin
            if new.stripe_customer is distinct from old.stripe_customer
                and new.external_customer is not distinct from old.external_customer
            then
                new.external_customer := new.stripe_customer;
                new.collector := 'stripe';
            elsif new.external_customer is distinct from old.external_customer
                and new.collector = 'stripe'
            then
                new.stripe_customer := new.external_customer;
            end if;
            return new;
        end $$
        """
    )
    op.execute(
        "create trigger external_id before insert or update on billing_profile "
        "for each row execute function billing_profile_external_id()"
    )
    op.execute(
        "update billing_profile set collector = 'stripe', external_customer = stripe_customer "
        "where stripe_customer is not null"
    )


def downgrade() -> None:
    op.execute("drop trigger external_id on billing_profile")
    op.execute("drop function billing_profile_external_id")
    op.drop_constraint("uq_billing_profile_collector_external_customer", "billing_profile")
    op.drop_column("billing_profile", "external_customer")
    op.drop_column("billing_profile", "collector")
