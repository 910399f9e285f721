"""What a record says, in one line: one entry for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.times import to_iso
from keeper.app.cli.no_value import why_no_threshold, why_no_value
from keeper.domain.record import Json, Record, RecordKind

Body = Mapping[str, Json]
FIRST = "first-start"


def summary(record: Record) -> str:
    """One line; a body that is not as this version writes it is shown as it is."""
    where = " ".join(part for part in (record.market, record.action) if part)
    try:
        return SUMMARIES.get(record.kind, _plain)(record.body, where)
    except (DraftRefused, KeyError, TypeError, ValueError):
        return _plain(record.body, where)


def _plain(body: Body, where: str) -> str:
    return ", ".join(f"{key} {value}" for key, value in body.items())


def _start(body: Body, where: str) -> str:
    line = (
        f"{body['name']} version {body['version']}, {body['mode']}, chain {body['chain_id']}, sender {body['sender']}"
    )
    if "fence" in body:
        line = f"{line}, replica {body['replica']} with fence {body['fence']}"
    took = body.get("took_over")
    if isinstance(took, Mapping):
        line = f"{line}, took over from {took['from']} ({took['why']})"
    restored = body.get("restored")
    if isinstance(restored, Mapping):
        return f"{line}; goes on from {restored['from']} {restored['record']} and {restored['ticks']} ticks"
    return f"{line}; windows empty: {body['because']}" if body.get("forgot", FIRST) != FIRST else line


def _configuration(body: Body, where: str) -> str:
    before = body.get("previous")
    return f"{body['hash']}, in place of {before}" if before else str(body["hash"])


def _state(body: Body, where: str) -> str:
    return f"what the engine remembers after block {body['number']}"


def _incident(body: Body, where: str) -> str:
    return f"{body['phase']} {body['id']}: {_verdict(body['verdict'], body)}"


def _decision(body: Body, where: str) -> str:
    line = f"{body['kind']} ({body['reason']}) {where}: {_verdict(body['verdict'], body)}"
    testimony = body.get("testimony")
    if not isinstance(testimony, Mapping):
        return line
    return f"{line}; {testimony['agreeing']} of {testimony['of']} nodes agree, {testimony['needed']} needed"


def _intent(body: Body, where: str) -> str:
    line = f"{where}: {body['call']} on {body['to']}, effect now {body['effect_before']}"
    adjustment = body.get("adjustment")
    if not isinstance(adjustment, Mapping):
        return line
    new = f"no new value ({adjustment['refusal']})" if adjustment["new"] is None else f"to be {adjustment['new']}"
    return f"{line}, {new} ({adjustment['expression']})"


def _attempt(body: Body, where: str) -> str:
    return f"{where}: nonce {body['nonce']}, {body['tx_hash']}"


def _broadcast(body: Body, where: str) -> str:
    from keeper.execution.trail import NO_ANSWERS  # with it comes a package that few logs need

    if body.keys() & NO_ANSWERS:
        return f"{where}: {body['message']}"
    return f"{where}: {body['answer']} by {body['route']} {body['message']}".rstrip()


def _receipt(body: Body, where: str) -> str:
    if body.get("gone"):
        return f"{where}: {body['tx_hash']} is not in a block any more"
    return f"{where}: status {body['status']} in block {body['block']}, {body['tx_hash']}"


def _effect(body: Body, where: str) -> str:
    return f"{where}: {body['call']} {body['before']} -> {body['after']} at block {body['block']}"


def _outcome(body: Body, where: str) -> str:
    return f"{where}: {body['kind']} ({body['reason']}): {body['message']}"


def _verification(body: Body, where: str) -> str:
    return f"{'ok' if body['ok'] else 'BROKEN'}: {body['records']} records, head {body['head']}"


def _fault(body: Body, where: str) -> str:
    return f"{body['part']} is {body['state']} ({body['reason']}): {body['message']}"


def _chain(body: Body, where: str) -> str:
    match body["event"]:
        case "failed-over":
            return f"heads and reads come from {body['to']} instead of {body['origin']} ({body['reason']})"
        case "reorg":
            return f"reorganisation, {body['depth']} deep: block {body['old_number']} gave way to {body['new_number']} {body['new_hash']}"
        case "gap":
            return f"blocks {body['first']} to {body['last']} were missed and are not evaluated: {body['reason']}"
        case "backfilled":
            return f"blocks {body['first']} to {body['last']} were missed and are evaluated late"
        case "skipped":
            return f"blocks {body['first']} to {body['last']} were passed over for a newer one; {body['total']} since the start"
        case _:
            return _plain(body, where)


def _notification(body: Body, where: str) -> str:
    keys = body.get("keys")
    what = ", ".join(str(key) for key in keys) if isinstance(keys, list) else str(body.get("key", ""))
    match body.get("state"):
        case "acknowledged":
            note = f": {body['note']}" if body.get("note") else ""
            return f"{what} acknowledged by {body['by']}{note}"
        case "waiting":
            matters = body.get("matters")
            return f"{len(matters) if isinstance(matters, list) else 0} critical matters are told when they last"
        case "forgotten":
            return f"{what}: {body['message']}"
    return f"{what} by {body['notifier']}: {'delivered' if body['delivered'] else 'NOT delivered'}"


def _switch(body: Body, where: str) -> str:
    return f"{body['scope']} {body['state']}, by {body['by']}: {body['reason']}"


def _breaker(body: Body, where: str) -> str:
    until = body.get("until_ms")
    lasting = f" until {to_iso(int(str(until)))}" if until else ""
    return f"{body['market']} {body['before']} -> {body['after']}{lasting}: {body['reason']}"


def _order(body: Body, where: str) -> str:
    from keeper.domain.circuit_breaker import breaker_name, utc  # with it comes a hash function that few logs need

    name = breaker_name(str(body["breaker"]))
    signers = body.get("signers")
    if isinstance(signers, list):
        return f"{name}: {body['step']}, signed by {len(signers)}, nonce {body['nonce']}"
    if body["step"] != "signed":
        return f"{name}: {body['step']}"
    return f"{name}: signed by {body['signer']}, nonce {body['nonce']}, until {utc(int(str(body['deadline_s'])))}"


def _proposal(body: Body, where: str) -> str:
    step, name = body["step"], str(body["safe_tx_hash"])[:10]
    details = {
        "made": body.get("title"),
        "adopted": body.get("title"),
        "signed": f"by {body.get('owner')}"
        + (f" ({body['count']} of {body['threshold']})" if {"count", "threshold"} <= body.keys() else ""),
        "confirmed": f"by {body.get('owner')} via {body.get('via')}",
        "executed": f"in {body.get('tx_hash')}, block {body.get('block')}",
        "superseded": body.get("why"),
        "seen": f"via {body.get('via')}",
    }
    said = details.get(str(step)) or body.get("message")
    return f"{name}..: {step}" + (f", {said}" if said else "")


def _tick(body: Body, where: str) -> str:
    block = body["block"]
    return f"block {block['number']}" if isinstance(block, Mapping) else _plain(body, where)


def _archive(body: Body, where: str) -> str:
    return f"evidence of {body['count']} records, {body['first_seq']} to {body['last_seq']}, moved to {body['file']}"


def _gap(body: Body, where: str) -> str:
    if body["event"] == "not-applied":
        kept = body["record"]
        if not isinstance(kept, Mapping):
            raise ValueError("no record in it")
        return f"{where} {kept['kind']} was not applied: {body['because']}"
    spool = body["spool"]
    if not isinstance(spool, Mapping):
        raise ValueError("it names no spool")
    since = to_iso(int(str(body["from_ms"])))
    left_out = f"; {body['left_out']} ticks were left out" if body["left_out"] else ""
    return f"the next {body['records']} records waited in {spool['file']} since {since}: {body['reason']}{left_out}"


def _readiness(body: Body, where: str) -> str:
    if "actions" in body:
        return f"{body['armed']} of {body['actions']} actions armed at block {body['block']}"
    why = f" ({body['reason']}): {body['message']}" if body["reason"] else ""
    several = body.get("of")
    whose = f"{len(several)} actions" if isinstance(several, list | tuple) else where
    return f"{whose} {body['state']}{why}, block {body['block']}"


def _witness(body: Body, where: str) -> str:
    kept = body["checkpoint"]
    if not isinstance(kept, Mapping):
        raise ValueError("no checkpoint in it")
    said = f"checkpoint {kept['number']} of {body['name']}: record {kept['seq']}, head {str(kept['head'])[:10]}.."
    return f"{body['finding']}: {body['message']} ({said})" if "finding" in body else f"kept {said}"


def _drill(body: Body, where: str) -> str:
    said = f"passed: {body['breach']}" if body["ok"] is True else f"FAILED: {body['problem']}"
    return (
        f"{where} {body['rule']} on a {body['where']} {said}"
        if body["where"] == "fork"
        else f"{where} {body['rule']} in memory {said}"
    )


SUMMARIES: dict[RecordKind, Callable[[Body, str], str]] = {
    RecordKind.START: _start,
    RecordKind.CONFIGURATION: _configuration,
    RecordKind.TICK: _tick,
    RecordKind.STATE: _state,
    RecordKind.INCIDENT: _incident,
    RecordKind.DECISION: _decision,
    RecordKind.INTENT: _intent,
    RecordKind.ATTEMPT: _attempt,
    RecordKind.BROADCAST: _broadcast,
    RecordKind.RECEIPT: _receipt,
    RecordKind.EFFECT: _effect,
    RecordKind.OUTCOME: _outcome,
    RecordKind.VERIFICATION: _verification,
    RecordKind.FAULT: _fault,
    RecordKind.CHAIN: _chain,
    RecordKind.NOTIFICATION: _notification,
    RecordKind.SWITCH: _switch,
    RecordKind.BREAKER: _breaker,
    RecordKind.ORDER: _order,
    RecordKind.PROPOSAL: _proposal,
    RecordKind.ARCHIVE: _archive,
    RecordKind.GAP: _gap,
    RecordKind.READINESS: _readiness,
    RecordKind.WITNESS: _witness,
    RecordKind.DRILL: _drill,
    RecordKind.COMPARISON: lambda body, where: str(body["message"]),
}


def _verdict(verdict: Json, evidence: Body) -> str:
    if not isinstance(verdict, Mapping):
        return ""
    value = _short(verdict["value"])
    if value == "nan":
        return f"{verdict['rule']}: {verdict['signal']} has {why_no_value(verdict, evidence)}"
    threshold = _short(verdict["threshold"])
    against = f", {why_no_threshold(verdict)}" if threshold == "nan" else f" against {threshold}"
    return f"{verdict['rule']}: {verdict['signal']} {value}{against}"


def _short(number: Json) -> str:
    try:
        return f"{float(str(number)):.6g}"
    except ValueError:
        return str(number)
