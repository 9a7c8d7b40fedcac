"""Parse an AAS environment from XML, one submodel at a time."""

from collections.abc import Iterator
from itertools import chain
from xml.etree.ElementTree import Element

import aas_core3.types as aas
import aas_core3.xmlization as xmlization

from gateway.plant.formats.aas.invalid import invalid_at
from gateway.plant.formats.limits import FormatLimits
from gateway.plant.formats.xml_events import Event, xml_events

_SUBMODEL = f"{{{xmlization.NAMESPACE}}}submodel"
# Of the element `submodels`, below the root.
_HOLDER_DEPTH = 2


class XmlDocument:
    """An environment in XML; the text is parsed once for the head and once for the submodels."""

    def __init__(self, content: bytes, limits: FormatLimits) -> None:
        """Read the head. Raises FormatInvalid, FormatTooLarge."""
        self._content = content
        self._limits = limits
        events = _without_submodels(xml_events(content, limits))
        try:
            self.head = xmlization.environment_from_iterparse(events)
        except xmlization.DeserializationException as error:
            raise invalid_at(str(error.path), error.cause) from None

    def submodels(self) -> Iterator[aas.Submodel]:
        """Yield the submodels in the order of the file. Raises FormatInvalid, FormatTooLarge."""
        events = xml_events(self._content, self._limits)
        try:
            for event, holder in _placed(events):
                if holder is not None:
                    yield xmlization.submodel_from_iterparse(chain((event,), events))
                    holder.clear()
        except xmlization.DeserializationException as error:
            raise invalid_at(f"submodel{error.path}", error.cause) from None


def _without_submodels(events: Iterator[Event]) -> Iterator[Event]:
    """Yield the events outside of submodels, whose elements are removed."""
    for event, holder in _placed(events):
        if holder is None:
            yield event
            continue
        depth = 1
        for kind, element in events:
            depth += 1 if kind == "start" else -1
            if kind == "end":
                element.clear()
            if depth == 0:
                break
        holder.clear()


def _placed(events: Iterator[Event]) -> Iterator[tuple[Event, Element | None]]:
    """Yield each event, and with the start of a submodel the element that holds all submodels.

    The consumer must read the rest of a submodel from `events`.
    """
    depth, holder = 0, None
    for event in events:
        kind, element = event
        if kind == "start" and depth == _HOLDER_DEPTH and element.tag == _SUBMODEL:
            yield event, holder
            continue
        depth += 1 if kind == "start" else -1
        if kind == "start" and depth == _HOLDER_DEPTH:
            holder = element
        yield event, None
