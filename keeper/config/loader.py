"""From a file to a Config: every problem is collected before anything is raised."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from keeper.config import basics
from keeper.config.actions import ActionDraft, read_actions
from keeper.config.apart import check_apart
from keeper.config.audit import AUDIT, AuditConfig, read_audit
from keeper.config.chain import CHAIN, read_chain
from keeper.config.chain_sources import need_of
from keeper.config.derived import derivation
from keeper.config.environment import Environment
from keeper.config.file import STDIN, own_file, read_bytes
from keeper.config.http import HTTP, read_http
from keeper.config.invariant_drafts import InvariantDraft
from keeper.config.invariants import bind_invariants, check_kept, read_invariants
from keeper.config.jobs import JOBS, JobsConfig, read_jobs
from keeper.config.limits import LIMITS, UNLIMITED, LimitsConfig, read_limits
from keeper.config.markets import Markets, read_markets
from keeper.config.model import Config, KeeperConfig, Mode, Source
from keeper.config.notifying import read_notify
from keeper.config.problems import Report
from keeper.config.publish import public_document
from keeper.config.replicas import check_replicas
from keeper.config.routes import Routes, read_routes
from keeper.config.sending import SignerConfig
from keeper.config.shape import Context, Cursor, Part, Section, Shape
from keeper.config.signers import (
    CHECKPOINTS,
    KeyPlace,
    check_development,
    check_own_keys,
    files_of,
    read_lanes,
    read_signer,
)
from keeper.config.sources import read_sources
from keeper.config.tree import Table, parse, plain_json
from keeper.config.waits import check_never, check_waits
from keeper.config.watch import WATCH, WatchConfig, read_watch
from keeper.domain.record import Json

if TYPE_CHECKING:
    from keeper.engine.spec import EngineSpec

T = TypeVar("T")

ROOT = Shape(
    "The configuration of one keeper.",
    (
        Part("keeper", basics.KEEPER.help, {}),
        Part("chain", CHAIN.help, {}),
        Part("audit", AUDIT.help, {}, required=False),
        Part("sources", "Where observations come from.", {}),
        Part("markets", "What is watched, and what is done when.", {}),
        Part("actions", "What can be done.", {}),
        Part("invariants", "What must be true of the protocol after a change.", {}, required=False),
        Part("limits", LIMITS.help, {}, required=False),
        Part("signer", "The key that signs; needed in live mode.", {}, required=False),
        Part(
            "lanes",
            "Further keys by name, each with nonces of its own, for actions that must not wait.",
            {},
            required=False,
        ),
        Part("routes", "How transactions reach the chain; public is always there.", {}, required=False),
        Part("notify", "Who is told; without it, the log.", {}, required=False),
        Part("http", HTTP.help, {}, required=False),
        Part("jobs", JOBS.help, {}, required=False),
        Part("watch", WATCH.help, {}, required=False),
    ),
)


def load(
    path: str | Path,
    *,
    environ: Mapping[str, str] | None = None,
    stdin: BinaryIO | None = None,
    offline: bool = False,
) -> Config:
    """The configuration in this file (``-``: standard input), with the environment filled in.

    ``environ`` stands in for the variables of the process. ``offline``: nothing outside will be asked, so what the environment does not
    set stays blank. Raises ConfigurationError with all problems, in the order of the file.
    """
    data, folder = read_bytes(path, stdin)
    return loads(data, folder=folder, environ=environ, path=str(path), offline=offline)


def loads(
    data: bytes,
    *,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    path: str = STDIN,
    offline: bool = False,
) -> Config:
    """The same from the bytes of a file; relative paths in it are relative to ``folder``."""
    report = Report()
    tree = parse(data, report)
    root = Cursor(tree, "", 1, Context(report, Environment.of(environ, offline=offline), folder))
    config = _build(root, tree, path, folder)
    report.raise_any()
    assert config is not None, "a part is missing and no problem says so"
    return config


def _build(root: Cursor, tree: Table, path: str, folder: Path) -> Config | None:
    section = root.open(ROOT)
    if section is None:
        return None
    keeper = _part(section, "keeper", basics.read_keeper, None)
    before = len(root.context.report)
    chain = _part(section, "chain", read_chain, None)
    certain = len(root.context.report) == before and not root.context.environment.offline
    audit = read_audit(section.at("audit"), folder)
    sources: dict[str, Source | None] = _part(section, "sources", read_sources, {})
    routes = read_routes(section.at("routes"))
    signer = _part(section, "signer", read_signer, None)
    lanes: dict[str, SignerConfig | None] = _part(section, "lanes", read_lanes, {})
    notify = read_notify(section.at("notify"))
    http = _part(section, "http", read_http, None)
    jobs = _part(section, "jobs", read_jobs, JobsConfig())
    watch = _part(section, "watch", read_watch, WatchConfig())
    drafts: dict[str, InvariantDraft | None] = _part(
        section, "invariants", lambda cursor: read_invariants(cursor, sources), {}
    )
    actions: dict[str, ActionDraft | None] = _part(
        section, "actions", lambda cursor: read_actions(cursor, routes, tuple(lanes), tuple(drafts)), {}
    )
    limits = _part(section, "limits", read_limits, UNLIMITED)
    markets = _part(section, "markets", lambda cursor: read_markets(cursor, sources, actions), Markets((), ()))
    invariants = bind_invariants(drafts, markets.variables, sources)
    check_kept(markets.actions, actions, drafts)
    _check_live(section, keeper)
    offline = root.context.environment.offline  # the address of the database may then be one that nobody has filled in
    if audit is not None and keeper is not None and keeper.replicas is not None and not offline:
        check_replicas(section.cursor.child("keeper").child("replicas"), audit)
    keys = _keys(section, signer, lanes, routes, audit)
    check_own_keys(keys)
    check_never(actions.values(), routes)
    if chain is not None and certain:
        check_development(keys, chain.id)
        check_waits(actions.values(), chain.id)
    if audit is not None:
        check_apart(section.at("audit"), audit, own_file(path), files_of(keys))
    if not section.clean or len(root.context.report) or not (keeper and chain and audit):
        return None
    return Config(
        path=path,
        hash=document_hash(plain_json(tree)),
        keeper=keeper,
        chain=chain,
        audit=audit,
        sources=tuple(source for source in sources.values() if source),
        engine=_engine(sources, markets, actions, limits),
        actions=markets.actions,
        signer=signer,
        routes=routes.all,
        notify=notify,
        http=http,
        jobs=jobs,
        watch=watch,
        document=public_document(tree),
        invariants=invariants,
        lanes={name: key for name, key in lanes.items() if key},
        budget=limits.budget,
    )


def document_hash(document: Json) -> str:
    """``0x`` and the SHA-256 of the document in RFC 8785 form."""
    import rfc8785

    return "0x" + hashlib.sha256(rfc8785.dumps(document)).hexdigest()


def _part(section: Section, key: str, read: Callable[[Cursor], T], absent: T) -> T:
    below = section.at(key)
    return read(below) if below else absent


def _check_live(section: Section, keeper: KeeperConfig | None) -> None:
    if keeper and keeper.mode is Mode.LIVE and section.at("signer") is None:
        below = section.at("keeper")
        assert below is not None
        below.child("mode").problem("mode live needs a signer", "add the section signer, or go back to mode: shadow")


def _keys(
    section: Section,
    signer: SignerConfig | None,
    lanes: Mapping[str, SignerConfig | None],
    routes: Routes,
    audit: AuditConfig | None,
) -> list[KeyPlace]:
    """Every key of the file; those that sign transactions first."""
    places = [KeyPlace("`signer`", signer, section.cursor.child("signer"))] if signer else []
    for name, key in lanes.items():
        if key:
            places.append(KeyPlace(f"the lane {name}", key, section.cursor.child("lanes").child(name)))
    places += routes.identities
    if audit is not None and audit.checkpoints is not None:
        at = section.cursor.child("audit").child("checkpoints").child("identity")
        places.append(KeyPlace("audit.checkpoints.identity", audit.checkpoints.identity, at, texts=CHECKPOINTS))
    return places


def _engine(
    sources: Mapping[str, Source | None],
    markets: Markets,
    actions: Mapping[str, ActionDraft | None],
    limits: LimitsConfig,
) -> EngineSpec:
    from keeper.engine.spec import ActionPolicy, EngineSpec, SourceSpec

    return EngineSpec(
        sources=tuple(
            SourceSpec(one.name, one.unit, one.max_age_ms, derived=derivation(one), needs=need_of(one))
            for one in sources.values()
            if one
        ),
        markets=markets.specs,
        actions=tuple(
            ActionPolicy(one.name, one.kind, max(one.cooldown_ms, limits.cooldown_ms), one.retry_ms, one.needs_rules)
            for one in actions.values()
            if one
        ),
        limits=limits.limits,
    )
