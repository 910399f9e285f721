"""In which order a configuration names things. The log keeps a document in canonical form, whose keys are sorted, and an engine goes by the order:
that of the rules is the ladder's, and a state lies in memory in the order of sources and markets. So the order is recorded beside the document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from keeper.domain.record import Json

ORDER = "order"
"""Its key in the body of a configuration's record."""


def order_of(document: Mapping[str, Json]) -> dict[str, Json]:
    """The names in each table of the document that is not sorted, by its place as a JSON pointer (RFC 6901)."""
    return dict(_orders("", dict(document)))


def in_order(document: Json, order: object) -> Json:
    """The document as it was written. A table that ``order`` does not name, or names otherwise than it is, stays as it is."""
    return _arranged("", document, order if isinstance(order, Mapping) else {})


def _orders(place: str, value: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(value, Mapping):
        names = list(value)
        if names != sorted(names, key=_canonical):
            yield place, [*names]
    for name, inside in _inside(value):
        yield from _orders(_below(place, name), inside)


def _arranged(place: str, value: Json, order: Mapping[str, object]) -> Json:
    arranged = {name: _arranged(_below(place, name), inside, order) for name, inside in _inside(value)}
    if isinstance(value, list):
        return list(arranged.values())
    if not isinstance(value, Mapping):
        return value
    named = order.get(place)
    names = [str(one) for one in named] if isinstance(named, list) else []
    return {name: arranged[name] for name in names} if sorted(names) == sorted(arranged) else arranged


def _inside(value: Json) -> list[tuple[str, Json]]:
    if isinstance(value, Mapping):
        return list(value.items())
    return [(str(number), one) for number, one in enumerate(value)] if isinstance(value, list) else []


def _below(place: str, name: str) -> str:
    return f"{place}/{name.replace('~', '~0').replace('/', '~1')}"


def _canonical(name: str) -> bytes:
    """RFC 8785 sorts by the units of UTF-16."""
    return name.encode("utf-16-be", "surrogatepass")
