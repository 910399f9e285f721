"""The source kinds ``derived`` and ``constant``: numbers made of other sources, and numbers that stand in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keeper.config.kinds import NUMBER, REFERENCE, SHARE, UNIT, duration, whole
from keeper.config.model import ConstantSource, DerivedSource, Source
from keeper.config.problems import nearest
from keeper.config.shape import Cursor, Field, Part, Section, Shape, in_a_sentence, word_of
from keeper.config.venues import DEFAULT_OUTLIER, positive
from keeper.domain.record import Json
from keeper.domain.units import Unit

if TYPE_CHECKING:
    from keeper.engine.spec import Derivation

MAX_MEMBERS = 50
WORDS = ("median", "ratio", "product", "inverse", "unchanged")
OPTIONS = {"min_fresh": "median", "outlier": "median", "stuck_after": "unchanged"}
"""Which way of deriving each option belongs to."""

_OF_SCHEMA: dict[str, Json] = {"type": "array", "minItems": 1, "items": dict(REFERENCE.schema)}

HOW = Field(
    "how",
    word_of(WORDS),
    "median of the good ones that agree; ratio: the first divided by the others; product; inverse; unchanged: stale when stuck.",
)
DERIVED_UNIT = Field(
    "unit",
    UNIT,
    "What the number means; left out it follows from the members (the ratio of two prices is a ratio).",
    Unit.PRICE,
)
MIN_FRESH = Field("min_fresh", whole(1, MAX_MEMBERS), "Of a median: how many members must be good and agree.", 2)
OUTLIER = Field(
    "outlier",
    positive(SHARE),
    "Of a median: further from the median of the others, a member is left out; 10% when not said.",
    DEFAULT_OUTLIER,
)
STUCK_AFTER = Field("stuck_after", duration(1_000), "Of unchanged: how long the same value may stand.", 0)

DERIVED = Shape(
    "A number made of other sources, at each block.",
    (HOW, Part("of", "The sources that it is made of.", _OF_SCHEMA), DERIVED_UNIT, MIN_FRESH, OUTLIER, STUCK_AFTER),
    kind="derived",
)

CONSTANT_VALUE = Field("value", NUMBER, "The number: the 1 that a stablecoin is held to.")
CONSTANT_UNIT = Field("unit", UNIT, "What the number means.")
CONSTANT = Shape("A number that never changes.", (CONSTANT_VALUE, CONSTANT_UNIT), kind="constant")


@dataclass(frozen=True, slots=True)
class DerivedDraft:
    """A derived source before its members are looked at; ``clean``: nothing was wrong with it so far."""

    section: Section
    how: str
    of: tuple[str, ...]
    places: tuple[Cursor, ...]
    clean: bool


def read_constant(name: str, section: Section) -> ConstantSource:
    """The source; what is wrong with it is noted."""
    return ConstantSource(name, section.get(CONSTANT_UNIT), section.get(CONSTANT_VALUE))


def read_derived(section: Section) -> DerivedDraft:
    """Everything about it that can be told without the other sources."""
    how, below = section.get(HOW), section.at("of")
    for option, owner in OPTIONS.items():
        if how and how != owner and section.at(option):
            section.problem(option, f"this belongs to how: {owner}", "leave it out")
    if how == "unchanged" and not section.at("stuck_after"):
        section.problem("stuck_after", "stuck_after is missing", f"add stuck_after: {in_a_sentence(STUCK_AFTER.help)}")
    section.get(MIN_FRESH), section.get(OUTLIER), section.get(STUCK_AFTER)  # notes what is wrong with them
    places = tuple(below.items()) if below else ()
    names = tuple(place.read(REFERENCE) for place in places)
    if how and below and below.is_list:
        _check_members(section, how, names, places)
    if section.at("unit"):
        section.get(DERIVED_UNIT)
    return DerivedDraft(section, how, names, places, section.clean)


def resolve(drafts: Mapping[str, DerivedDraft], sources: dict[str, Source | None]) -> None:
    """Puts the derived sources into ``sources``; None for those that are broken, or made of a broken one."""
    from keeper.engine.derivation import circles, in_order

    members = {name: draft.of for name, draft in drafts.items()}
    broken: set[str] = set()
    for around in circles(members):
        place = drafts[around[0]].section.at("of")
        assert place is not None
        place.problem("these sources are made of each other in a circle", " -> ".join(around), found="")
        broken.update(around)
    for name in in_order({name: tuple(one for one in of if one not in broken) for name, of in members.items()}):
        draft = drafts[name]
        for member, place in zip(draft.of, draft.places, strict=True):
            if member and member not in sources:
                place.problem("no source has this name", nearest(member, sources))
        made_of = [sources.get(member) for member in draft.of]
        known = [one for one in made_of if one is not None]
        if draft.clean and len(known) == len(made_of):
            sources[name] = _derive(name, draft, known)


def derivation(source: Source) -> Derivation | None:
    """How the engine makes this source; None where observations come from outside."""
    from keeper.engine.spec import Derivation, How

    match source:
        case ConstantSource():
            return Derivation(How.CONSTANT, value=source.value)
        case DerivedSource():
            return Derivation(How(source.how), source.of, source.min_fresh, source.outlier, source.stuck_after_ms)
        case _:
            return None


def _check_members(section: Section, how: str, names: tuple[str, ...], places: tuple[Cursor, ...]) -> None:
    from keeper.engine.check_derived import wrong_number
    from keeper.engine.derivation import How

    message = wrong_number(How(how), len(names))
    if message is not None:
        section.problem("of", message)
    for position, (name, place) in enumerate(zip(names, places, strict=True)):
        if name and name in names[:position]:
            place.problem("this source is named twice", "once is enough")
    min_fresh = section.get(MIN_FRESH)
    if how == "median" and message is None and min_fresh > len(names):
        section.problem("min_fresh", f"more than the {len(names)} members", f"from 1 to {len(names)}")


def _derive(name: str, draft: DerivedDraft, members: list[Source]) -> DerivedSource | None:
    from keeper.engine.derivation import How, possible_units

    section = draft.section
    units = [member.unit for member in members]
    possible = possible_units(How(draft.how), units)
    unit = section.get(DERIVED_UNIT) if section.at("unit") else next(iter(possible), None)
    listed = ", ".join(f"{member.name}: {member.unit}" for member in members)
    if not possible:
        section.problem("of", f"there is no {draft.how} of these units", listed)
        return None
    if unit not in possible:
        section.problem("unit", f"a {draft.how} of these is not that", " or ".join(possible))
        return None
    median, unchanged = draft.how == "median", draft.how == "unchanged"
    return DerivedSource(
        name=name,
        unit=unit,
        how=draft.how,
        of=draft.of,
        min_fresh=section.get(MIN_FRESH) if median else 1,
        outlier=section.get(OUTLIER) if median else None,
        stuck_after_ms=section.get(STUCK_AFTER) if unchanged else None,
    )
