"""The contract that an action or an invariant calls: an address, or a text with variables that becomes one in each market."""

from __future__ import annotations

from keeper.config import templates
from keeper.config.kinds import CONTRACT
from keeper.config.shape import Given, Kind


def _target(given: Given) -> str:
    if templates.is_template(given.text) and not given.from_env:
        templates.check(given.text)
        return given.text
    return CONTRACT.parse(given)


TARGET_KIND = Kind(_target, "", {"type": "string", "minLength": 1}, env=True)
