"""What ``keeper init`` writes is safe as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keeper.config import Config, loads
from keeper.config.model import Mode
from keeper.config.template import PRESETS, template
from keeper.domain.errors import ConfigurationError

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]


def variables(env: str) -> dict[str, str]:
    lines = [line for line in env.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def loaded(preset: str) -> Config:
    text, env = template(preset)
    return loads(text.encode(), folder=Path("/somewhere"), environ=variables(env))


@pytest.mark.parametrize("preset", PRESETS)
def test_template__as_it_stands__loads_in_shadow_mode_without_a_signer(preset: str) -> None:
    config = loaded(preset)
    assert config.keeper.mode is Mode.SHADOW
    assert config.signer is None
    assert config.actions


@pytest.mark.parametrize("preset", PRESETS)
def test_template__offers__only_databases_that_can_be_used(preset: str) -> None:
    assert "postgres" not in template(preset)[0].lower()


@pytest.mark.parametrize("preset", PRESETS)
def test_template__variables__are_all_in_the_env_file(preset: str) -> None:
    text, env = template(preset)
    live = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert set(re.findall(r"\$\{(\w+)\}", live)) == set(variables(env))


@pytest.mark.parametrize("preset", PRESETS)
def test_template__a_variable_not_set__is_told(preset: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loads(template(preset)[0].encode(), folder=Path("/somewhere"), environ={})
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("preset", PRESETS)
def test_template__every_line_with_a_number__says_why(preset: str) -> None:
    for line in template(preset)[0].splitlines():
        value, _, comment = line.partition("#")
        if re.search(r":\s*(\d+|\d+%|\d+ ?(ms|s|m|h|blocks))\s*[,}]?\s*$", value) or re.search(r"\d%|\d blocks", value):
            assert comment.strip(), line


@pytest.mark.parametrize("preset", PRESETS)
def test_template__signer_uncommented__goes_live(preset: str) -> None:
    text, env = template(preset)
    text = re.sub(r"(?m)^# (signer:|  kind: keystore|  path: |  password: )", r"\1", text)
    live = text.replace("mode: shadow ", "mode: live ")
    given = variables(env) | {"KEEPER_KEYSTORE_PASSWORD": "x"}
    config = loads(live.encode(), folder=Path("/somewhere"), environ=given)
    assert config.keeper.mode is Mode.LIVE
    assert config.signer


def test_env_example__of_the_repository__is_the_env_of_the_template() -> None:
    assert (ROOT / ".env.example").read_text("utf-8") == template()[1]


def test_env_example__holds_no_key_and_no_switch() -> None:
    given = variables(template()[1])
    assert set(given) == {"KEEPER_RPC_URL", "KEEPER_NOTIFY_URL"}
    assert not re.search(r"[0-9a-fA-F]{32}", template()[1])
    assert all("127.0.0.1" in value for value in given.values())


def test_template__unknown_preset__names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError) as caught:
        template("save")
    assert caught.value.problems[0].hint == "did you mean safe?"
