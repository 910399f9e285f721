# mypy: ignore-errors
# ^ it runs with web3 6 in an environment of its own, which knows nothing of the keeper: `make conformance`
"""The `flashbots` package as its users call it.

Reads ``[{"relay", "node", "key", "header", "steps": [{"do", ...}]}]`` from standard input, and writes a list for each of these: an answer for
each step, as ``{"result"}`` or ``{"error"}``. ``header`` says how it signs: ``as-it-is``, or with a mistake that clients have made.
"""

import json
import sys

import requests
from eth_account import Account
from eth_account.messages import encode_defunct
from flashbots import flashbot
from flashbots.provider import FlashbotProvider
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3


def signing(hash_prefix, signature_prefix):
    """Headers made by hand: since hexbytes 1.0 ``.hex()`` has no ``0x``, and a client that relies on it leaves out both."""

    def headers(provider, request_data):
        message = encode_defunct(text=hash_prefix + bytes(Web3.keccak(request_data)).hex())
        account = provider.signature_account
        signature = bytes(account.sign_message(message).signature).hex()
        return {"X-Flashbots-Signature": f"{account.address}:{signature_prefix}{signature}"}

    return headers


HEADERS = {
    "as-it-is": FlashbotProvider._get_flashbots_headers,
    "by-hand": signing("0x", "0x"),
    "hash-without-0x": signing("", "0x"),
    "signature-without-0x": signing("0x", ""),
    "both-without-0x": signing("", ""),
}


def send_bundle(w3, step):
    bundle = [{"signed_transaction": HexBytes(raw)} for raw in step["txs"]]
    sent = w3.flashbots.send_bundle(bundle, step["block"], opts={"replacementUuid": step["uuid"]})
    return sent.bundle_hash().hex()


def send_bundle_without_uuid(w3, step):
    bundle = [{"signed_transaction": HexBytes(raw)} for raw in step["txs"]]
    return w3.flashbots.send_bundle(bundle, step["block"]).bundle_hash().hex()


def send_empty_bundle(w3, step):
    return w3.flashbots.send_raw_bundle([], step["block"], opts={"replacementUuid": step["uuid"]})


def simulate(w3, step):
    bundle = [{"signed_transaction": HexBytes(raw)} for raw in step["txs"]]
    found = w3.flashbots.simulate(bundle, block_tag=step["block"])
    return {"gas": found["totalGasUsed"], "errors": [one.get("error") for one in found["results"]]}


def send_private(w3, step):
    sent = w3.flashbots.send_private_transaction({"signed_transaction": HexBytes(step["tx"])}, step["last_block"])
    return sent.tx["hash"].hex()


def cancel_bundle(w3, step):
    return w3.flashbots.cancel_bundles(step["uuid"])


def cancel_private(w3, step):
    return w3.flashbots.cancel_private_transaction(step["tx_hash"])


KNOWN = (
    send_bundle,
    send_bundle_without_uuid,
    send_empty_bundle,
    simulate,
    send_private,
    cancel_bundle,
    cancel_private,
)
STEPS = {one.__name__: one for one in KNOWN}


def answered(w3, step):
    try:
        return {"result": STEPS[step["do"]](w3, step)}
    except ValueError as error:  # web3 6 raises it with the answer's `error`
        return {"error": error.args[0] if error.args else ""}
    except requests.HTTPError as error:
        return {"error": {"status": error.response.status_code, "body": error.response.text}}


def session(asked):
    FlashbotProvider._get_flashbots_headers = HEADERS[asked["header"]]
    w3 = Web3(HTTPProvider(asked["node"]))
    flashbot(w3, Account.from_key(asked["key"]), asked["relay"])
    return [answered(w3, step) for step in asked["steps"]]


if __name__ == "__main__":
    json.dump([session(asked) for asked in json.load(sys.stdin)], sys.stdout)
