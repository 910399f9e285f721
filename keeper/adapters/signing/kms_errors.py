"""What KMS and its client say when they say no, as an error with a remedy. Their own words are left out: they quote accounts and requests."""

from __future__ import annotations

from keeper.domain.errors import SignerAway, SigningError

_ALLOW = "allow kms:GetPublicKey and kms:Sign on this key for the keeper's identity (key policy or IAM)"
_CREDENTIALS = (
    "give the keeper's process credentials: a role of its machine, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_AGAIN = "it is asked again; if this lasts, look at KMS and at the quota of the account"
_NETWORK = "see that this machine reaches KMS (region, `endpoint`, VPC endpoint, proxy), or raise `timeout`"

_REFUSALS = {
    "AccessDeniedException": ("access to the key is denied", _ALLOW),
    "DisabledException": ("the key is disabled", "enable the key in KMS"),
    "KMSInvalidStateException": ("the key cannot be used in its present state", "see whether its deletion is scheduled"),
    "NotFoundException": ("there is no such key in this region", "correct {setting} and `region`"),
    "InvalidArnException": ("the name of the key cannot be read", "correct {setting}: an id, an ARN, or alias/NAME"),
    "InvalidKeyUsageException": ("the key is not one to sign with", "make one with --key-usage SIGN_VERIFY"),
    "UnsupportedOperationException": ("the key is not one to sign with", "name an asymmetric key in {setting}"),
    "ValidationException": ("the request is not taken as it is", "correct {setting} and `region`"),
    "UnrecognizedClientException": ("the credentials are not known", _CREDENTIALS),
    "InvalidClientTokenId": ("the credentials are not known", _CREDENTIALS),
    "InvalidSignatureException": ("the credentials do not fit together", "check the secret access key, and this machine's clock"),
    "ExpiredTokenException": ("the credentials have expired", "renew them, or use a role that renews itself"),
    "MissingAuthenticationTokenException": ("there are no credentials in the request", _CREDENTIALS),
}  # fmt: skip
_PASSING = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "LimitExceededException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "KeyUnavailableException",
        "DependencyTimeoutException",
        "KMSInternalException",
        "InternalFailure",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)
_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "NoAuthTokenError"})  # fmt: skip
_NO_CONNECTION = frozenset(
    {
        "EndpointConnectionError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "ConnectionClosedError",
        "HTTPClientError",
        "ProxyConnectionError",
    }
)
_KNOWN_CODE_CHARS = 60


def signing_error(error: Exception, setting: str) -> SigningError:
    """``setting`` is where the key was written."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return _of_answer(response, setting)
    kind = type(error).__name__
    if kind in _NO_CREDENTIALS:
        return SigningError("there are no credentials for KMS", remedy=_CREDENTIALS)
    if kind == "SSLError":
        return SigningError("the connection to KMS is not safe: its certificate is not good", remedy=_NETWORK)
    if kind in _NO_CONNECTION or isinstance(error, OSError):
        return away(kind)
    return SigningError(
        f"KMS cannot be used ({kind})",
        remedy=f"check {setting}, `region` and `endpoint`, and what answers there",
    )


def away(why: str) -> SignerAway:
    """It may be asked again."""
    return SignerAway(f"KMS does not answer ({why})", remedy=_NETWORK)


def not_installed() -> SigningError:
    """boto3 is an extra: most keepers have their key beside them."""
    return SigningError(
        "a signer of kind kms needs boto3, and it is not installed",
        remedy='run: make setup-dev; outside of a clone: pip install "keeper[kms]"',
    )


def _of_answer(response: dict[str, object], setting: str) -> SigningError:
    told, meta = response.get("Error"), response.get("ResponseMetadata")
    code = str(told.get("Code", "")) if isinstance(told, dict) else ""
    status = meta.get("HTTPStatusCode") if isinstance(meta, dict) else None
    if code in _REFUSALS:
        words, remedy = _REFUSALS[code]
        return SigningError(f"KMS refuses: {words} ({code})", remedy=remedy.format(setting=setting))
    shown = code if code.isalnum() and len(code) <= _KNOWN_CODE_CHARS else f"HTTP {status}"
    if code in _PASSING or (isinstance(status, int) and status >= 500):
        return SignerAway(f"KMS cannot sign now ({shown})", remedy=_AGAIN)
    return SigningError(f"KMS refuses ({shown})", remedy="look it up in the errors of the KMS API, under `Sign`")
