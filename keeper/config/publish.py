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
        return {
            key: redact_all(value.text)
            if isinstance(value, Scalar) and _is_credential(node, (*path, key))
            else _public(value, (*path, key))
            for key, value in node.entries.items()
        }
    if isinstance(node.value, str) and "://" in node.value:
        return redact_for_record(node.value)
    return plain_json(node)


def _is_credential(holder: Table, path: tuple[str, ...]) -> bool:
    """Whether nothing of what stands there may be shown but names of variables. ``holder`` is the table around it."""
    match path:
        case ("notify", "[]", "url") | ("sources", _, "headers", _) | ("routes", _, "api_key"):
            return True
        case ("audit", "checkpoints", "witnesses", "[]", "token"):
            return True
        case ("signer", key) | ("lanes", _, key) | ("routes" | "audit", _, "identity", key):
            kind = holder.entries.get("kind")
            named = isinstance(kind, Scalar) and kind.text == "kms"  # what it calls a key is the name of one
            return key in ("password", "token") or (key == "key" and not named)
    return False
