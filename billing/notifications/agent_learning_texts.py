"""Subject and text of the e-mails about what agents learned, by kind of notice."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

AGENT_LEARNING_TEXTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "agent_policy_trained": (
            gettext_noop("Policy {number} is in its shadow period: {name}"),
            gettext_noop(
                "Hello,\n\nThe agent {name} for {asset} learned policy {number} from its "
                "decisions. On the history it costs less than the current one. It now decides "
                "in shadow: its decisions are recorded beside the current ones, and nothing is "
                "done.\n"
            ),
        ),
        "agent_policy_rejected": (
            gettext_noop("Policy {number} is not used: {name}"),
            gettext_noop(
                "Hello,\n\nPolicy {number} of the agent {name} for {asset} did not show a saving "
                "with its confidence interval. The current decisions stay as they are.\n"
            ),
        ),
        "agent_policy_ready": (
            gettext_noop("Policy {number} can be promoted: {name}"),
            gettext_noop(
                "Hello,\n\nPolicy {number} of the agent {name} for {asset} passed its shadow "
                "period. Compare it with the current decisions and promote it on the page of the "
                "agent.\n"
            ),
        ),
        "agent_policy_promoted": (
            gettext_noop("Policy {number} decides now: {name}"),
            gettext_noop(
                "Hello,\n\nPolicy {number} of the agent {name} for {asset} decides from now on. It "
                "is taken back automatically if it costs more, and can be rolled back on the page "
                "of the agent.\n"
            ),
        ),
        "agent_policy_rolled_back": (
            gettext_noop("Policy {number} was rolled back: {name}"),
            gettext_noop(
                "Hello,\n\nPolicy {number} of the agent {name} for {asset} was rolled back. The "
                "decisions are again those from before it. The figures are on the page of the "
                "agent.\n"
            ),
        ),
        "agent_policy_imported": (
            gettext_noop("Policy {number} was imported: {name}"),
            gettext_noop(
                "Hello,\n\nPolicy {number} of the agent {name} for {asset} was imported from a "
                "file. It decides in shadow first.\n"
            ),
        ),
        "agent_policy_transferred": (
            gettext_noop("Policy {number} was carried over: {name}"),
            gettext_noop(
                "Hello,\n\nThe agent {name} for {asset} got policy {number} from another asset. It "
                "decides in shadow first, and must show a saving on this asset.\n"
            ),
        ),
        "agent_limit_proposed": (
            gettext_noop("New limit proposed for {rule}: {name}"),
            gettext_noop(
                "Hello,\n\nAfter false alarms, the agent {name} for {asset} proposes another limit "
                "for its rule {rule}. Accept or reject it on the page of the agent.\n"
            ),
        ),
    }
)
