"""The stage of the request path in which a language model and specialists answer together."""

from gateway.inference.hosted_tools.finding import ReadQuestion, SpecialistTools
from gateway.inference.hosted_tools.runner import HostedToolRunner
from gateway.inference.hosted_tools.steps import HostedCall, StepSender

__all__ = ["HostedCall", "HostedToolRunner", "ReadQuestion", "SpecialistTools", "StepSender"]
