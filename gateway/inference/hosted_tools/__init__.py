"""The stage of the request path in which a language model and specialists answer together."""

from gateway.inference.hosted_tools.finding import ReadQuestion, SpecialistTools
from gateway.inference.hosted_tools.holding import HostedRequest
from gateway.inference.hosted_tools.passages import PassageFinder
from gateway.inference.hosted_tools.plant_graph import PlantGraphTool
from gateway.inference.hosted_tools.runner import HostedToolRunner
from gateway.inference.hosted_tools.sending import StepSender

__all__ = [
    "HostedRequest",
    "HostedToolRunner",
    "PassageFinder",
    "PlantGraphTool",
    "ReadQuestion",
    "SpecialistTools",
    "StepSender",
]
