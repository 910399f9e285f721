"""The JSON Schema agrees with the reader: what loads satisfies it, and what it forbids does not load."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keeper.config.loader import ROOT
from keeper.config.problems import Report
from keeper.config.schema import DIALECT, json_schema
from keeper.config.template import PRESETS, template
from keeper.config.tree import parse, plain_json
from keeper.signals.registry import SIGNALS

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break

pytestmark = pytest.mark.unit

TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}
KNOWN = {
    "$schema",
    "title",
    "description",
    "default",
    "type",
    "enum",
    "const",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
}
KNOWN |= {
    "properties",
    "required",
    "additionalProperties",
    "propertyNames",
    "minProperties",
    "items",
    "minItems",
    "oneOf",
    "anyOf",
}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """As much of draft 2020-12 as the schema uses."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(isinstance(value, TYPES[n]) and (n == "boolean" or not isinstance(value, bool)) for n in names):
            return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "oneOf" in schema and sum(fits(value, one) for one in schema["oneOf"]) != 1:
        return False
    if "anyOf" in schema and not any(fits(value, one) for one in schema["anyOf"]):
        return False
    return fits_text_and_number(value, schema) and fits_inside(value, schema)


def fits_text_and_number(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, str):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            return False
        return bool(re.search(schema.get("pattern", ""), value))
    if isinstance(value, int):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return True


def fits_inside(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(fits(item, schema.get("items", {})) for item in value)
    if not isinstance(value, dict):
        return True
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    if set(schema.get("required", [])) - set(value) or len(value) < schema.get("minProperties", 0):
        return False
    for key, inner in value.items():
        below = properties.get(key, others)
        if below is False or not fits(key, schema.get("propertyNames", {})) or not fits(inner, below):
            return False
    return True


def document(text: str) -> Any:
    return plain_json(parse(text.encode(), Report()))


def test_schema__is_json_of_its_dialect() -> None:
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == DIALECT


def test_schema__good_configurations__satisfy_it(good: str) -> None:
    assert fits(document(good), json_schema())
    assert all(fits(document(template(preset)[0]), json_schema()) for preset in PRESETS)


@pytest.mark.parametrize(
    "name",
    [
        "unknown-key",
        "unknown-signal-kind",
        "empty-actions",
        "threshold-without-clear",
        "negative-age",
        "bad-signature-of-view",
        "number-too-large",
        "market-without-rules",
        "wrong-type",
    ],
)
def test_schema__broken_configurations__do_not(name: str, good: str) -> None:
    if name == "bad-signature-of-view":
        text = good.replace('"paused(bytes32)(bool)"', '"paused(bytes32)"')
    else:
        text = (Path(__file__).parent / "bad" / f"{name}.yaml").read_text("utf-8")
    assert not fits(document(text), json_schema())


def test_schema__the_signal_without_its_threshold__does_not(good: str, broken: Break) -> None:
    edit = ("above: 2%, for: 2 blocks", "for: 2 blocks")
    assert not fits(document(good.replace(*edit)), json_schema())
    assert broken(edit)


def test_schema__every_property__has_a_description() -> None:
    def walk(schema: dict[str, Any], path: str) -> None:
        for key, below in schema.get("properties", {}).items():
            assert "const" in below or below.get("description"), f"{path}.{key}"
            walk(below, f"{path}.{key}")
        for below in (schema.get("items"), schema.get("additionalProperties"), *schema.get("oneOf", [])):
            if isinstance(below, dict):
                walk(below, path)

    walk(json_schema(), "")


def test_schema__sections__are_those_of_the_reader() -> None:
    properties = json_schema()["properties"]
    assert isinstance(properties, dict)
    assert list(properties) == ROOT.keys()


@pytest.mark.parametrize("kind", SIGNALS)
def test_schema__each_kind_of_signal__with_the_words_of_the_registry(kind: str) -> None:
    text = json.dumps(json_schema())
    assert json.dumps({"const": kind})[1:-1] in text
    assert json.dumps(SIGNALS[kind].summary)[1:-1] in text
    for param in SIGNALS[kind].params:
        assert json.dumps(param.help)[1:-1] in text


def test_schema__defaults__as_people_write_them() -> None:
    schema: Any = json_schema()
    action = schema["properties"]["actions"]["additionalProperties"]["properties"]
    assert {key: action[key]["default"] for key in ("cooldown", "retry", "expires", "route")} == {
        "cooldown": "10m",
        "retry": "30s",
        "expires": "5m",
        "route": "public",
    }
    assert "default" not in action["gas_limit"]
    assert schema["properties"]["keeper"]["properties"]["mode"]["default"] == "shadow"
