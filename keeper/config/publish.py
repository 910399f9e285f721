"""The document as it may stand in the audit log."""

from __future__ import annotations

from keeper.config.secret import redact_all, redact_for_record
from keeper.config.tree import Items, Node, Scalar, Table, plain_json
from keeper.domain.record import Json


def public_document(root: Table) -> dict[str, Json]:
    """The document as written (``${NAME}`` stays ``${NAME}``), credentials that stand in the file itself hidden."""
    return {key: _public(node, (key,)) for key, node in root.entries.items()}


def _public(node: Node, path: tuple[str, ...]) -> Json:
    if isinstance(node, Items):
        return [_public(item, (*path, "[]")) for item in node.items]
    if isinstance(node, Table):
        return {key: _public(value, (*path, key)) for key, value in node.entries.items()}
    return _value(node, path)


def _value(node: Scalar, path: tuple[str, ...]) -> Json:
    match path:
        case ("signer", "password") | ("notify", "[]", "url") | ("sources", _, "headers", _):
            return redact_all(node.text)
        case ("audit", "checkpoints", "identity", "password") | ("audit", "checkpoints", "witnesses", "[]", "token"):
            return redact_all(node.text)
    if isinstance(node.value, str) and "://" in node.value:
        return redact_for_record(node.value)
    return plain_json(node)
