"""The JSON Schema of a configuration (draft 2020-12), for editors. Made from the same shapes that the reader uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any

from keeper.config import audit_sections, basics, chain, conditions, invariants, notifying, routes, signers, thresholds
from keeper.config.actions import ACTION, READ, UNDO
from keeper.config.adjust import BOUNDS
from keeper.config.audit import ADDRESS, AUDIT
from keeper.config.http import HTTP
from keeper.config.jobs import DIGEST, DRILL, HEARTBEAT, JOBS
from keeper.config.kinds import NUMBER, RAW
from keeper.config.limits import LIMITS
from keeper.config.loader import ROOT
from keeper.config.markets import MARKET
from keeper.config.replicas import REPLICAS
from keeper.config.rules import CLOCK, RULE, SCHEDULE
from keeper.config.shape import NAME, Field, Part, Shape
from keeper.config.signals import signal_shapes
from keeper.config.sources import KINDS as SOURCE_KINDS
from keeper.config.watch import WATCH
from keeper.domain.record import Json
from keeper.domain.units import NO_SPAN, Span, format_ratio, plain
from keeper.domain.verdict import Severity

Object = dict[str, Json]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLACEHOLDER: Object = {"type": "string", "pattern": r"\$\{.+\}"}


def json_schema() -> dict[str, Json]:
    """The whole configuration. An editor checks the form with it; ``keeper check`` checks the sense as well."""
    rule = _shape(
        RULE,
        when=_conditions(conditions.WHEN, _THRESHOLDS),
        clear=_conditions(conditions.CLEAR, (*_THRESHOLDS, thresholds.SHARE_OF_TRIP)),
        unless={"type": "array", "minItems": 1, "items": _condition(conditions.MEMBER, _THRESHOLDS)},
        schedule=_shape(SCHEDULE),
    )
    market = _shape(MARKET, signals=_named(_one_of(signal_shapes())), rules=_named(_asking(rule)))
    endpoints: Object = {"type": "array", "minItems": 1, "items": _shape(chain.ENDPOINT)}
    policies = {part.key: _shape(chain.POLICY) for part in chain.QUORUM.parts}
    root = _shape(
        ROOT,
        keeper=_shape(basics.KEEPER, replicas=_shape(REPLICAS)),
        chain=_shape(chain.CHAIN, endpoints=endpoints, quorum=_shape(chain.QUORUM, **policies)),
        audit=_audit(),
        sources=_named(_one_of(SOURCE_KINDS)),
        markets=_named(market),
        actions=_named(_action(), least=0),
        invariants=_named(_invariant()),
        limits=_shape(LIMITS),
        signer=_one_of(signers.SIGNERS),
        lanes=_named(_one_of(signers.SIGNERS), least=0),
        routes=_routes(),
        notify=_notify(),
        http=_shape(HTTP),
        watch=_shape(WATCH, notify=_notify()),
        jobs=_shape(JOBS, heartbeat=_shape(HEARTBEAT), digest=_shape(DIGEST), drill=_shape(DRILL)),
    )
    return {"$schema": DIALECT, "title": "keeper", **root}


def _audit() -> Object:
    witness: Object = {"oneOf": [_shape(audit_sections.FILE_WITNESS), _shape(audit_sections.URL_WITNESS)]}
    witnesses: Object = {"type": "array", "items": witness}
    checkpoints = _shape(audit_sections.CHECKPOINTS, identity=_one_of(signers.IDENTITIES), witnesses=witnesses)
    others = _named(dict(ADDRESS.schema), least=0)
    return _shape(AUDIT, checkpoints=checkpoints, witness_for=others, retention=_shape(audit_sections.RETENTION))


def _notify() -> Object:
    escalate = _shape(notifying.ESCALATE)
    kinds: list[Json] = [_shape(shape, escalate=escalate) for shape in notifying.NOTIFIERS.values()]
    return {"type": "array", "items": {"oneOf": kinds}}


def _routes() -> Object:
    """A route that has the name of its kind need not name the kind."""
    builders = _named(_shape(routes.BUILDER))
    identity = _one_of(signers.IDENTITIES)
    shapes = {kind: _shape(shape, builders=builders, identity=identity) for kind, shape in routes.ROUTES.items()}
    every: Object = {"oneOf": list(shapes.values())}
    implied: Object = {}
    for name, shape in routes.ROUTES.items():
        own: Object = {**shapes[name], "required": [part.key for part in shape.parts if part.required]}
        either: list[Json] = [own, every]
        implied[name] = {"description": shape.help, "anyOf": either}
    return {**_named(every, least=0), "properties": implied}


def _invariant() -> Object:
    """One of the kinds, with the views inside it."""
    limit: Object = {"anyOf": [dict(NUMBER.schema), _shape(invariants.LIMIT)]}
    addresses: Object = {"type": "array", "minItems": 1, "items": dict(RAW.schema)}
    accounts: Object = {"anyOf": [addresses, _shape(invariants.LISTED), _shape(invariants.COUNTED)]}
    parts: dict[str, dict[str, Object]] = {
        "price": {},
        "bound": {"at_least": limit, "at_most": limit},
        "liquidatable": {
            "accounts": accounts,
            "health": _shape(invariants.HEALTH_VIEW),
            "value": _shape(invariants.VALUE_VIEW),
        },
    }
    kinds: list[Json] = [_shape(shape, **parts[kind]) for kind, shape in invariants.KINDS.items()]
    return {"oneOf": kinds}


def _action() -> Object:
    """What is expected is either written down or follows from the new value."""
    expected: Object = {"description": READ.help, "required": ["expect"]}
    either: list[Json] = [{"required": ["new", "bounds", "safe_side"]}, {"properties": {"read": expected}}]
    return {**_shape(ACTION, read=_shape(READ), undo=_shape(UNDO), bounds=_shape(BOUNDS)), "oneOf": either}


def _asking(rule: Object) -> Object:
    """A rule asks for something, or is only observed."""
    observed: Object = {"required": ["severity"], "properties": {"severity": {"const": Severity.INFO.value}}}
    asks: Object = {"properties": {"actions": {"minItems": 1}}}
    return {**rule, "anyOf": [observed, asks]}


def _shape(shape: Shape, **nested: Object) -> Object:
    properties: Object = {"kind": {"const": shape.kind}} if shape.kind else {}
    for part in shape.parts:
        properties[part.key] = _field(part) if isinstance(part, Field) else _part(part, nested)
    required: list[Json] = ["kind"] if shape.kind else []
    required += [part.key for part in shape.parts if part.required]
    return {
        "type": "object",
        "description": shape.help,
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _part(part: Part, nested: Mapping[str, Object]) -> Object:
    return {**nested.get(part.key, part.schema), "description": part.help}


def _field(field: Field[Any]) -> Object:
    schema: Object = dict(field.kind.schema)
    if field.kind.env and schema.get("type") == "integer":
        schema = {"anyOf": [schema, dict(_PLACEHOLDER)]}
    schema["description"] = field.help
    default = _default(field)
    return schema if default is None else {**schema, "default": default}


def _default(field: Field[Any]) -> Json:
    """The default as people write it; None where being left out has a meaning of its own."""
    if field.required or field.implied or field.default == NO_SPAN:
        return None
    if isinstance(field.default, Decimal) and field.default:
        return format_ratio(field.default) if field.kind.schema.get("type") == "string" else plain(field.default)
    if not field.default:
        return 0 if field.default == 0 and field.kind.schema.get("minimum") == 0 else None
    if isinstance(field.default, Span):
        return str(field.default)
    if isinstance(field.default, Enum):
        return str(field.default.value)
    if field.kind is CLOCK:
        return "24:00"
    if isinstance(field.default, int) and field.kind.schema.get("type") == "string":
        return str(Span(ms=field.default))
    return field.default if isinstance(field.default, int | str) else None


_THRESHOLDS = (thresholds.MULTIPLE, thresholds.LINE)


def _conditions(single: Shape, levels: Sequence[Shape]) -> Object:
    """One condition, or a group of them."""
    members: Object = {"type": "array", "minItems": 2, "items": _condition(conditions.MEMBER, levels)}
    groups = (conditions.ALL, conditions.ANY, conditions.AT_LEAST)
    choices: list[Json] = [_condition(single, levels)]
    choices += [_shape(group, **dict.fromkeys(("all", "any", "of"), members)) for group in groups]
    return {"oneOf": choices}


def _condition(shape: Shape, levels: Sequence[Shape]) -> Object:
    ways: list[Json] = [dict(conditions.ABOVE.schema), *(_shape(level) for level in levels)]
    level: Object = {"anyOf": ways}
    exactly_one: list[Json] = [{"required": ["above"]}, {"required": ["below"]}]
    return {**_shape(shape, above=level, below=level), "oneOf": exactly_one}


def _one_of(shapes: Mapping[str, Shape]) -> Object:
    choices: list[Json] = [_shape(shape) for shape in shapes.values()]
    return {"oneOf": choices}


def _named(value: Object, *, least: int = 1) -> Object:
    names: Object = {"pattern": f"^{NAME.pattern}$"}
    return {"type": "object", "minProperties": least, "propertyNames": names, "additionalProperties": value}
