"""What a store in the cloud is told through the hub's environment, under the names that the SDKs have for it."""

from collections.abc import Iterable, Mapping

SECRETS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)
"""Shown nowhere."""
OPTIONS = (
    "AWS_ALLOW_HTTP",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_SKIP_SIGNATURE",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AZURE_CLIENT_ID",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_CLIENT_ID",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_STORAGE_TENANT_ID",
    "AZURE_STORAGE_USE_EMULATOR",
    "AZURE_TENANT_ID",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_SERVICE_ACCOUNT",
)


def options(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Those of `OPTIONS` that are set, as `NAME=value`."""
    return tuple(f"{name}={environ[name]}" for name in OPTIONS if environ.get(name))


def secrets(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in SECRETS if environ.get(name)}


def parsed(given: Iterable[str]) -> dict[str, str]:
    """What `options` gave."""
    return dict(text.split("=", 1) for text in given)
