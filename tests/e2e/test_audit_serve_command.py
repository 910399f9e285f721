"""``keeper audit serve`` and ``token`` as an auditor types them: no node, no key, no keeper."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from keeper.app.api.access import token_hash
from keeper.config.http import http_settings
from tests.support.audit_log import write_log
from tests.support.keeper_process import KEEPER, environment, in_process
from tests.support.log_site import filled

pytestmark = pytest.mark.e2e


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    asyncio.run(write_log(tmp_path / "keeper.db", filled()))
    (tmp_path / "keeper.yaml").write_text("signer: ${NOT_SET}\naudit: {url: sqlite:///keeper.db}\n", encoding="utf-8")
    return tmp_path


def test_token__is_printed_once_with_the_hash_that_the_configuration_takes(folder: Path) -> None:
    done = in_process("--json", "audit", folder / "keeper.yaml", "token", "smith")
    found = json.loads(done.out)
    assert found["hash"] == token_hash(found["token"])
    assert "${" not in done.out
    assert in_process("audit", folder / "keeper.yaml", "token", "../x").code == 2


def test_token__its_line_pasted_into_the_configuration__is_taken_as_it_is(folder: Path) -> None:
    config = folder / "keeper.yaml"
    printed = in_process("audit", config, "token", "smith").out
    line = next(one.strip() for one in printed.splitlines() if one.strip().startswith("http:"))
    config.write_text(f"{config.read_text(encoding='utf-8')}{line}\n", encoding="utf-8")
    found = http_settings(config)
    assert found is not None
    assert (found.host, found.port, list(found.tokens)) == ("127.0.0.1", 8642, ["smith"])


def test_serve__what_cannot_be_listened_at_and_no_log__are_told(folder: Path) -> None:
    config = folder / "keeper.yaml"
    assert in_process("audit", config, "serve", "--listen", "example.org:1").code == 2
    (folder / "keeper.db").unlink()
    assert in_process("audit", config, "serve", "--listen", "127.0.0.1:0").code == 1


def test_serve__until_interrupted__answers_with_tokens_of_the_section_http(folder: Path) -> None:
    config = folder / "keeper.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(f'{text}http: {{tokens: {{smith: "{token_hash("t0ken")}"}}}}\n', encoding="utf-8")
    command = [str(KEEPER), "--json", "audit", str(config), "serve", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            assert process.stdout is not None
            document = ""
            while not document.rstrip().endswith("}"):
                line = process.stdout.readline()
                assert line, "it ended before it served"
                document += line
            found = json.loads(document)
            assert found["tokens"] == 1
            with httpx.Client(base_url=found["api"]) as client:
                assert client.get("/records").status_code == 401
                answer = client.get("/records?limit=1", headers={"Authorization": "Bearer t0ken"})
                head = client.head("/records", headers={"Authorization": "Bearer t0ken"})
            assert answer.json()["records"][0]["seq"] == 1
            assert (head.status_code, head.content) == (200, b"")
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 130
