"""Every setting of the hub: name, default, help and unit in one place.

Flags (`--ring-size`), the environment (`HUB_RING_SIZE`), the config file (`ring_size = 1024`, TOML) and the README's
table all derive from `Settings`. Read once, by the command line; the rest of the program is handed the result.
"""

import dataclasses
import difflib
import ipaddress
import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

KIB = 1024
MIB = 1024 * KIB

ABOVE_ZERO = frozenset(
    {
        "connect_timeout_s", "heartbeat_s", "high_water_bytes", "mailbox_events", "max_bodies_bytes", "max_body_bytes",
        "max_connections", "max_frame_bytes", "max_projects", "max_running_jobs", "outside_silence_s", "request_body_s",
        "request_head_s", "ring_size", "send_buffer_bytes", "silence_timeout_s", "too_slow_s",
    }
)  # fmt: skip
BOOLEANS = {"1": True, "true": True, "on": True, "yes": True, "0": False, "false": False, "off": False, "no": False}
KINDS = {bool: "on or off", int: "a whole number", float: "a number", str: "a text", tuple: "a list of texts"}
"""What a value of each type is called where it is asked for."""


OTHER_VARIABLES = frozenset({"HUB_CONFIG", "HUB_TOKEN", "HUB_TOKEN_FILE", "HUB_URL"})
"""They mean something to commands, and are no settings."""


class SettingsError(ValueError):
    """A setting's value makes no sense; the message names the setting and where it came from."""


def setting(default: Any, help: str, unit: str = "") -> Any:  # noqa: A002 - the word argparse uses, too
    return dataclasses.field(default=default, metadata={"help": help, "unit": unit})


def default_data_dir() -> Path:
    """`$XDG_DATA_HOME/progress-hub`, by the XDG base directory specification."""
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    if not base.is_absolute():  # the specification: a relative path is to be ignored
        base = Path.home() / ".local" / "share"
    return base / "progress-hub"


def default_config() -> Path | None:
    """`$XDG_CONFIG_HOME/progress-hub/config.toml`, if there is one."""
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if not base.is_absolute():
        base = Path.home() / ".config"
    found = base / "progress-hub" / "config.toml"
    return found if found.is_file() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    host: str = setting("127.0.0.1", "Addresses to listen on, with commas between; unix:/path is a socket")
    port: int = setting(8470, "Port to listen on; 0 takes a free one")
    data_dir: str = setting("", "Folder of the journal and of what jobs make; empty: the XDG data folder")
    allowed_hosts: tuple[str, ...] = setting((), "Host names besides loopback under which the hub may be asked")
    cors_origins: tuple[str, ...] = setting((), "Origins whose pages may use the API, such as https://tools.example")
    sign_in: str = setting("auto", "Who must sign in: auto (all, once there is a token or a way in), always, never")
    trusted_proxies: tuple[str, ...] = setting((), "Proxies (CIDR, or unix) that are believed who asks, and how")
    tls_cert: str = setting("", "File with the certificate chain (PEM): the hub speaks https itself")
    tls_key: str = setting("", "File with the certificate's private key (PEM); empty: it is in tls_cert")
    log_level: str = setting("info", "debug, info, warning or error")
    log_format: str = setting("text", "text, or json: an object a line, on standard error")
    access_log: bool = setting(False, "Log every request: method, path, status, time, address")

    max_running_jobs: int = setting(2, "Jobs that run at the same time; the others queue", "jobs")
    max_queued_jobs: int = setting(200, "Jobs that may wait before new ones are turned away", "jobs")
    spare_children: int = setting(1, "Child processes kept ready, so that a job starts at once", "processes")
    roots: tuple[str, ...] = setting((), "Folders under which local paths and file:// URLs are allowed")
    allow_networks: tuple[str, ...] = setting((), "Private or reserved networks (CIDR) that jobs may connect to")
    connect_timeout_s: float = setting(20.0, "Longest wait for a server to accept and answer", "seconds")
    silence_timeout_s: float = setting(120.0, "Longest silence of a server in mid-transfer", "seconds")
    sync_interval_s: float = setting(0.0, "Time between syncs of all projects in the background; 0: none", "seconds")
    retry_attempts: int = setting(0, "Tries in all of a job that fails and may yet succeed; 0: one only", "tries")
    retry_backoff_s: float = setting(30.0, "Wait before the second try; each further one is twice as long", "seconds")
    retry_max_backoff_s: float = setting(3600.0, "Longest wait between two tries", "seconds")
    max_schedules: int = setting(50, "Schedules that each project may have", "schedules")
    shortest_schedule_s: float = setting(60.0, "Shortest time between two turns of a schedule", "seconds")
    max_webhooks: int = setting(50, "Webhooks that the hub may have", "webhooks")
    webhook_days: float = setting(5.0, "Time after which a webhook that nothing reaches is disabled; 0: never", "days")
    max_projects: int = setting(5000, "Projects that the hub may have", "projects")
    max_project_bytes: int = setting(
        20 * 1024 * MIB, "Disk of each project in data_dir: clone, index, kept work; 0: any", "bytes"
    )
    outside_silence_s: float = setting(3600.0, "Longest silence of an outside job that promised no other", "seconds")
    outside_cancel_s: float = setting(60.0, "Time an outside job has to stop when it is cancelled", "seconds")
    max_outside_jobs: int = setting(2000, "Outside jobs that may be live at the same time", "jobs")
    max_outside_jobs_project: int = setting(500, "Outside jobs of one project that may be live", "jobs")
    publish_rate: int = setting(5000, "Events a second that may be published to a project; 0: any number", "events")
    kept_work_days: float = setting(7.0, "Age at which work kept for a retry is dropped", "days")
    min_free_bytes: int = setting(256 * MIB, "Disk floor: a job ends rather than leave less", "bytes")

    snapshot_store: str = setting("", "Where snapshots go: a folder, s3://, gs:// or az://; empty: in data_dir")
    snapshot_quiet_s: float = setting(2.0, "Time without a change after which a folder is quiet", "seconds")
    snapshot_wait_s: float = setting(120.0, "Longest wait of a snapshot for its folder to be quiet", "seconds")

    ring_size: int = setting(1024, "Events of each project kept in memory for quick resumes", "events")
    recent_jobs: int = setting(10, "Ended jobs of each project in a snapshot", "jobs")
    history_events: int = setting(20_000, "Lossless events of each project kept in the journal", "events")
    history_jobs: int = setting(1000, "Ended jobs of each project kept in the journal", "jobs")
    history_days: float = setting(90.0, "Age at which events and ended jobs are dropped", "days")
    durable_power: bool = setting(False, "Also survive power loss: wait for the disk itself at each commit")

    heartbeat_s: float = setting(10.0, "Time between heartbeats on a stream", "seconds")
    high_water_bytes: int = setting(64 * KIB, "Unsent bytes past which a watcher gets its own mailbox", "bytes")
    send_buffer_bytes: int = setting(64 * KIB, "Kernel send buffer asked for each watcher", "bytes")
    mailbox_events: int = setting(10, "Lossless events that wait for a slow watcher before it is let go", "events")
    too_slow_s: float = setting(10.0, "A watcher that takes no byte for this long is let go", "seconds")
    drain_s: float = setting(5.0, "Time over which watchers are told to come back at shutdown", "seconds")
    max_watchers: int = setting(10_000, "Streams open at once; further watchers are told to poll", "streams")
    max_watchers_address: int = setting(500, "Streams of one client address, loopback aside; 0: any number", "streams")
    max_subscriptions: int = setting(100, "Projects one WebSocket may follow", "subscriptions")
    max_body_bytes: int = setting(1 * MIB, "Largest request body", "bytes")
    max_bodies_bytes: int = setting(64 * MIB, "Request bodies that are being read at the same time", "bytes")
    max_frame_bytes: int = setting(64 * KIB, "Largest WebSocket message from a client", "bytes")
    max_connections: int = setting(12_000, "Connections open at once, streams included", "connections")
    max_connections_address: int = setting(
        1000, "Connections of one address besides its streams, loopback aside; 0: any number", "connections"
    )
    request_rate: float = setting(
        200.0, "Requests a second of one client address, loopback aside; 0: any number", "requests"
    )
    request_head_s: float = setting(10.0, "Longest wait for the whole head of a request", "seconds")
    request_body_s: float = setting(60.0, "Longest wait for the whole body of a request", "seconds")

    @property
    def data_path(self) -> Path:
        return Path(self.data_dir).absolute() if self.data_dir else default_data_dir()

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.host.split(",") if part.strip())

    @property
    def store_url(self) -> str:
        """Of the snapshots: a URL, an absolute path, or empty for folders in `data_dir`."""
        is_folder = self.snapshot_store and "://" not in self.snapshot_store
        return str(Path(self.snapshot_store).absolute()) if is_folder else self.snapshot_store

    @property
    def _proxy_networks(self) -> tuple[str, ...]:
        return tuple(each for each in self.trusted_proxies if each != "unix")

    def check(self) -> None:
        """Raise SettingsError for the first value that cannot be meant."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and not (math.isfinite(value) and value >= 0):
                raise SettingsError(f"{field.name} must be a number that is not negative, got {value}")
            if value == 0 and field.name in ABOVE_ZERO:
                raise SettingsError(f"{field.name} must be more than 0")
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port must be 0 to 65535, got {self.port}")
        if self.log_level not in {"debug", "info", "warning", "error"}:
            raise SettingsError(f"log_level must be debug, info, warning or error, got {self.log_level!r}")
        if self.log_format not in {"text", "json"}:
            raise SettingsError(f"log_format must be text or json, got {self.log_format!r}")
        if self.sign_in not in {"auto", "always", "never"}:
            raise SettingsError(f"sign_in must be auto, always or never, got {self.sign_in!r}")
        if not self.hosts:
            raise SettingsError("host must name an address to listen on, such as 127.0.0.1")
        if self.tls_key and not self.tls_cert:
            raise SettingsError("tls_key needs tls_cert, the certificate that it belongs to")
        for name, networks in (("allow_networks", self.allow_networks), ("trusted_proxies", self._proxy_networks)):
            for network in networks:
                try:
                    ipaddress.ip_network(network, strict=False)
                except ValueError as exc:
                    raise SettingsError(f"{name}: {network!r} is not a network such as 10.0.0.0/8") from exc
        if "://" in self.snapshot_store and not re.match(r"(s3|gs|az)://[^/]", self.snapshot_store):
            raise SettingsError(
                f"snapshot_store: {self.snapshot_store!r} is no folder, nor an s3://, gs:// or az:// URL"
            )
        if "@" in self.snapshot_store.partition("://")[2].partition("/")[0]:
            raise SettingsError("snapshot_store must hold no credentials; they go into the environment")
        for root in self.roots:
            if not Path(root).is_absolute():
                raise SettingsError(f"roots: {root!r} must be an absolute path")

    @classmethod
    def read(
        cls,
        flags: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        config: Path | None = None,
    ) -> Self:
        """Flags over environment over config file over defaults. Raises SettingsError."""
        return cls.traced(flags, environ, config)[0]

    @classmethod
    def traced(
        cls,
        flags: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        config: Path | None = None,
    ) -> tuple[Self, Mapping[str, str]]:
        """As `read`, and where each value that is not the default came from: the file's path, a variable, a flag."""
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = dict(_from_file(config)) if config else {}
        sources = dict.fromkeys(values, str(config))
        for field in dataclasses.fields(cls):
            variable = f"HUB_{field.name.upper()}"
            text = environ.get(variable)
            if text is not None:
                values[field.name] = parse(field, text, variable)
                sources[field.name] = variable
        given = {name: value for name, value in (flags or {}).items() if value is not None}
        sources |= {name: f"--{name.replace('_', '-')}" for name in given}
        settings = cls(**(values | given))
        settings.check()
        return settings, sources


def unknown_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like settings and are none, each with the setting that was probably meant, or empty."""
    known = {f"HUB_{field.name.upper()}" for field in dataclasses.fields(Settings)} | OTHER_VARIABLES
    strangers = sorted(name for name in environ if name.startswith("HUB_") and name not in known)
    return {name: next(iter(difflib.get_close_matches(name, known, 1, 0.75)), "") for name in strangers}


def parse(field: "dataclasses.Field[Any]", text: str, source: str) -> Any:
    """A setting's value from text; `source` is named in the SettingsError that a wrong one raises."""
    default = field.default
    try:
        if isinstance(default, bool):
            return BOOLEANS[text.strip().lower()]
        if isinstance(default, int):
            return int(text)
        if isinstance(default, float):
            return float(text)
    except (KeyError, ValueError) as exc:
        raise SettingsError(f"{source}: {text!r} is not {KINDS[type(default)]}") from exc
    if isinstance(default, tuple):
        # A path list is split as PATH is; networks and hosts hold colons themselves, so they go by commas.
        separator = os.pathsep if field.name == "roots" else ","
        return tuple(part.strip() for part in text.split(separator) if part.strip())
    return text


def _from_file(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as exc:
        raise SettingsError(f"{path}: {exc.strerror}") from exc
    except ValueError as exc:  # of TOML, or of UTF-8
        raise SettingsError(f"{path}: {exc}") from exc
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    for name, value in table.items():
        if name not in fields:
            raise SettingsError(f"{path}: there is no setting {name!r}")
        kind = type(fields[name].default)
        if kind is tuple and isinstance(value, list):
            yield name, tuple(map(str, value))
        elif kind is float and type(value) is int:
            yield name, float(value)
        elif type(value) is kind:
            yield name, value
        else:
            raise SettingsError(f"{path}: {name} must be {KINDS[kind]}, got {value!r}")
