"""The section ``sources``: where observations come from."""

from __future__ import annotations

import re
from collections.abc import Callable

from keeper.config import chain_sources, derived
from keeper.config.calls import VIEW, Signature, literal
from keeper.config.chain_sources import MAX_AGE, NEEDS, SOURCE_UNIT
from keeper.config.kinds import CONTRACT, HEADER, HTTP_URL, JSON_PATH, RAW, choice, duration, whole
from keeper.config.model import ContractCallSource, HttpSource, Source, TimeUnit
from keeper.config.problems import without_credentials
from keeper.config.secret import Secret
from keeper.config.shape import Bad, Cursor, Field, Part, Section, Shape
from keeper.config.tree import Scalar
from keeper.config.venues import EXCHANGE, read_exchange
from keeper.domain.abi_codec import integer_range
from keeper.domain.action import FunctionCall
from keeper.domain.units import Unit

MAX_DECIMALS = 77
"""10**77 is the largest power of ten in a uint256."""
MAX_RESULTS = 32
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")

TARGET = Field("target", CONTRACT, "The contract that is asked.")
CALL = Field("call", VIEW, "The view, with its results: totalAssets()(uint256).")
DECIMALS = Field("decimals", whole(0, MAX_DECIMALS), "The answer is divided by ten to this power.", 0)
INDEX = Field("index", whole(0, MAX_RESULTS - 1), "Which of several results counts, from 0.", 0)

HTTP_SOURCE_URL = Field("url", HTTP_URL, "Asked by GET; answers JSON.")
VALUE = Field("value", JSON_PATH, "Where the number is in the answer: lastPrice or data.0.price.")
TIME = Field("time", JSON_PATH, "Where the time of the value is in the answer.", "")
TIME_UNIT = Field(
    "time_unit", choice(TimeUnit, TimeUnit.MILLISECONDS), "What that time counts since 1970 UTC.", TimeUnit.MILLISECONDS
)
EVERY = Field("every", duration(100), "How often to ask.")
TIMEOUT = Field("timeout", duration(10), "How long to wait for an answer.", 2_000)

KINDS = {
    **chain_sources.KINDS,
    "contract-call": Shape(
        "One number of any view, read at each block.",
        (
            TARGET,
            CALL,
            Part("args", "The arguments, as texts.", {"type": "array", "items": dict(RAW.schema)}, required=False),
            DECIMALS,
            INDEX,
            SOURCE_UNIT,
            MAX_AGE,
            NEEDS,
        ),
        kind="contract-call",
    ),
    "http": Shape(
        "One number of a JSON answer, such as an exchange's ticker.",
        (
            HTTP_SOURCE_URL,
            VALUE,
            TIME,
            TIME_UNIT,
            SOURCE_UNIT,
            EVERY,
            TIMEOUT,
            MAX_AGE,
            Part(
                "headers",
                "Headers sent along, such as an API key from the environment.",
                {"type": "object", "additionalProperties": dict(HEADER.schema)},
                required=False,
            ),
        ),
        kind="http",
    ),
    "exchange": EXCHANGE,
    "derived": derived.DERIVED,
    "constant": derived.CONSTANT,
}


def read_sources(cursor: Cursor) -> dict[str, Source | None]:
    """Every named source; None for a broken one, so that who refers to it is not blamed."""
    sources: dict[str, Source | None] = {}
    drafts: dict[str, derived.DerivedDraft] = {}
    sections: dict[str, Section] = {}
    for name, below in cursor.named():
        chosen = below.choose(KINDS)
        if chosen and chosen[0] == "derived":
            drafts[name] = derived.read_derived(chosen[1])
            sources[name] = None
            continue
        if chosen and NEEDS in KINDS[chosen[0]].parts:
            sections[name] = chosen[1]
        source = READERS[chosen[0]](name, chosen[1]) if chosen else None
        sources[name] = source if chosen and chosen[1].clean else None
    if cursor.empty:
        cursor.problem("there is no source", "a keeper needs at least one", found="")
    derived.resolve(drafts, sources)
    chain_sources.check_needs(sections, sources)
    return sources


def _contract_call(name: str, section: Section) -> Source:
    signature, unit, index = section.get(CALL), section.get(SOURCE_UNIT), section.get(INDEX)
    below = section.at("args")
    args = _read_args(below, signature) if below else ()
    if signature.known:
        if below is None and signature.function.inputs:
            section.problem("args", f"the call takes {len(signature.function.inputs)} arguments, none is given")
        _check_result(section, signature, unit, index)
    call = FunctionCall(section.get(TARGET), signature.text, args)
    needs = section.get(NEEDS) or None
    return ContractCallSource(name, unit, section.get(MAX_AGE), call, section.get(DECIMALS), index, needs)


def _read_args(cursor: Cursor, signature: Signature) -> tuple[str, ...]:
    items = cursor.items()
    types = signature.function.inputs
    if signature.known and cursor.is_list and len(items) != len(types):
        cursor.problem(f"the call takes {len(types)} arguments, {len(items)} are given", signature.text)
        return ()
    args = []
    for item, type_name in zip(items, types, strict=False):
        text = item.read(RAW)
        try:
            args.append(literal(type_name, text))
        except Bad as bad:
            item.problem(bad.message, bad.hint)
    return tuple(args)


def _check_result(section: Section, signature: Signature, unit: Unit, index: int) -> None:
    outputs = signature.function.outputs
    if index >= len(outputs):
        section.problem("index", f"there are {len(outputs)} results", f"from 0 to {len(outputs) - 1}")
    elif outputs[index] == "bool":
        if unit is not Unit.FLAG:
            section.problem("unit", "the result is a bool", "unit: flag")
    elif integer_range(outputs[index]) is None:
        section.problem("call", f"result {index} is a {outputs[index]}, not a number", "choose another with index")


def _http(name: str, section: Section) -> Source:
    every, max_age, time = section.get(EVERY), section.get(MAX_AGE), section.get(TIME)
    if section.clean and max_age < every:
        section.problem(
            "max_age", "shorter than every: each value would be stale before the next", "a few times `every`"
        )
    if section.at("time_unit") and not section.at("time"):
        section.problem(
            "time_unit", "there is no time that it could be the unit of", "add time, or leave time_unit out"
        )
    raw = section.table.entries.get("url")
    below = section.at("headers")
    return HttpSource(
        name=name,
        unit=section.get(SOURCE_UNIT),
        max_age_ms=max_age,
        url=section.get(HTTP_SOURCE_URL),
        shown=without_credentials("sources.url", raw.text) if isinstance(raw, Scalar) else "",
        value=section.get(VALUE),
        time=time or None,
        time_unit=section.get(TIME_UNIT),
        every_ms=every,
        timeout_ms=section.get(TIMEOUT),
        headers=_read_headers(below) if below else (),
    )


def _read_headers(cursor: Cursor) -> tuple[tuple[str, Secret], ...]:
    table = cursor.table()
    headers = []
    for name in table.entries if table else ():
        below = cursor.child(name)
        if not _HEADER_NAME.fullmatch(name):
            hint = "letters, digits and - as in X-Key"
            cursor.context.report.add_key(below.path, below.line, name, "this is not the name of a header", hint)
        headers.append((name, below.read(HEADER)))
    return tuple(headers)


READERS: dict[str, Callable[[str, Section], Source]] = {
    **chain_sources.READERS,
    "contract-call": _contract_call,
    "http": _http,
    "exchange": read_exchange,
    "constant": derived.read_constant,
}
