"""The route to the council: a Safe, where proposals to it are left, and who is told when nobody signs."""

from __future__ import annotations

from typing import Final

from keeper.config.kinds import CONTRACT, FILE_PATH, HTTP_URL, choice, duration, from_environment, split_url
from keeper.config.model import ProposeAs, SafeRoute
from keeper.config.problems import without_credentials
from keeper.config.secret import Secret
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Part, Section, Shape
from keeper.config.tree import Scalar
from keeper.config.urls import is_loopback
from keeper.domain.multisend import MULTI_SEND_CALL_ONLY
from keeper.domain.record import Json

DEFAULT_FILES: Final = "proposals"
DEFAULT_EXPIRES_MS: Final = 86_400_000
"""People need longer than a machine: how long a proposal of an action may wait when the action does not say."""

_FLAG_SCHEMA: dict[str, Json] = {"type": "boolean"}


def _flag(given: Given) -> bool:
    if not isinstance(given.value, bool):
        raise Bad("not a yes or a no", "write true or false")
    return given.value


def _service(given: Given) -> Secret:
    parts = split_url(given.text, ("https", "http"))
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise Bad("plain http lets anybody on the way change the answers", "write https://")
    if (parts.username or parts.password) and not given.from_env:
        raise Bad("credentials do not belong in the file", 'use `api_key`, or write the whole URL as "${SAFE_SERVICE}"')
    return Secret(given.text)


def _web(given: Given) -> str:
    return HTTP_URL.parse(given).reveal().rstrip("/")


FLAG = Kind(_flag, False, _FLAG_SCHEMA)
WEB_URL = Kind(_web, "", dict(HTTP_URL.schema))

ADDRESS = Field("address", CONTRACT, "The Safe; an EIP-55 address.")
SERVICE_URL = Kind(_service, Secret(""), dict(HTTP_URL.schema), env=True)
SERVICE = Field(
    "service", SERVICE_URL, "The base URL of its Transaction Service; left out: proposals are files only.", Secret("")
)
API_KEY = Field(
    "api_key",
    from_environment("an API key", "SAFE_API_KEY"),
    "The service's API key, from the environment only.",
    Secret(""),
)
PROPOSE_AS = Field(
    "propose_as",
    choice(ProposeAs, ProposeAs.DELEGATE),
    "What the keeper's key is there: a delegate of an owner, which can only propose, or an owner.",
    ProposeAs.DELEGATE,
)
EXECUTE = Field("execute", FLAG, "Whether the keeper executes what enough owners have signed.", False)
FILES = Field("files", FILE_PATH, "The folder in which each proposal is a file too, beside the configuration.", "")
REMIND = Field(
    "remind",
    duration(10_000),
    "How long after people were told they are told again, while signatures are missing.",
    600_000,
)
ESCALATE = Field(
    "escalate", duration(10_000), "How long after a proposal the missing signatures are critical.", 1_800_000
)
WEB = Field("web", WEB_URL, "The Safe web app, for links: https://app.safe.global.", "")
MULTISEND = Field(
    "multisend", CONTRACT, "The contract MultiSendCallOnly that batches go through.", MULTI_SEND_CALL_ONLY["1.4.1"]
)
MEMBERS = Part("members", "Names of owners, each with its address.", {"type": "object"}, required=False)

ROUTE = Shape(
    "A Safe: the keeper proposes, its owners sign.",
    (ADDRESS, SERVICE, API_KEY, PROPOSE_AS, EXECUTE, FILES, REMIND, ESCALATE, WEB, MULTISEND, MEMBERS),
    kind="safe",
)


def read_safe(name: str, section: Section) -> SafeRoute:
    """The route; what is wrong is noted."""
    service, raw = section.get(SERVICE), section.table.entries.get(SERVICE.key)
    remind_ms, escalate_ms = section.get(REMIND), section.get(ESCALATE)
    if section.clean and escalate_ms < remind_ms:
        section.problem(
            ESCALATE.key, "people would be alarmed before they are reminded", "make it longer than `remind`"
        )
    if section.at(API_KEY.key) and not section.at(SERVICE.key):
        section.problem(API_KEY.key, "there is no service that takes this key", "name the `service`, or leave it out")
    folder = section.cursor.context.folder
    return SafeRoute(
        name=name,
        address=section.get(ADDRESS),
        service=service if service.reveal() else None,
        service_shown=without_credentials("routes.service", raw.text) if isinstance(raw, Scalar) else "",
        api_key=section.get(API_KEY) if section.at(API_KEY.key) else None,
        propose_as=section.get(PROPOSE_AS),
        execute=section.get(EXECUTE),
        files=section.get(FILES) or str(folder / DEFAULT_FILES),
        remind_ms=remind_ms,
        escalate_ms=escalate_ms,
        web=section.get(WEB),
        members=_members(section.at(MEMBERS.key)),
        multisend=section.get(MULTISEND),
    )


def _members(cursor: Cursor | None) -> dict[str, str]:
    """Names by address."""
    found: dict[str, str] = {}
    for name, below in cursor.named() if cursor else ():
        address = below.read(CONTRACT)
        if address in found:
            below.problem(f"this is the address of {found[address]} already", "each owner has one name")
        elif address:
            found[address] = name
    return found
