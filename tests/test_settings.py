"""Settings: one place for defaults; flags over environment over file; wrong values are named with where they stood."""

import dataclasses

import pytest

from hub.cli.options import parser
from hub.cli.serving import read_settings
from hub.settings import Settings, SettingsError, default_data_dir


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "hub.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_flags_beat_the_environment_which_beats_the_file_which_beats_the_default(config):
    file = config("port = 1\nring_size = 2\nhost = '::1'\n")
    settings = Settings.read({"port": 3, "host": None}, {"HUB_PORT": "4", "HUB_RING_SIZE": "5"}, file)
    assert (settings.port, settings.ring_size, settings.host, settings.recent_jobs) == (3, 5, "::1", 10)


@pytest.mark.parametrize("field", dataclasses.fields(Settings), ids=lambda field: field.name)
def test_every_setting_has_a_flag_a_variable_and_a_line_that_mean_the_same(field, config, monkeypatch):
    default, name = field.default, field.name
    text, line, value = {
        bool: ("yes", "true", True),
        int: ("7", "7", 7),
        float: ("7.5", "7.5", 7.5),
        str: ("error", "'error'", "error"),
        tuple: ("/8", "['/8']", ("/8",)),
    }[type(default)]
    if name == "log_format":
        text, line, value = "json", "'json'", "json"
    if name == "sign_in":
        text, line, value = "always", "'always'", "always"
    if name in {"allow_networks", "trusted_proxies"}:
        text, line, value = "10.0.0.0/8", "['10.0.0.0/8']", ("10.0.0.0/8",)
    if name == "tls_key":
        monkeypatch.setattr(Settings, "check", lambda self: None)  # it needs a certificate
    flag = f"--{name.replace('_', '-')}"
    monkeypatch.delenv(f"HUB_{name.upper()}", raising=False)
    flags = ["serve", flag] if isinstance(default, bool) else ["serve", flag, text]
    assert getattr(read_settings(parser().parse_args(flags)), name) == value
    assert getattr(Settings.read({}, {f"HUB_{name.upper()}": text}), name) == value
    assert getattr(Settings.read({}, {}, config(f"{name} = {line}\n")), name) == value


@pytest.mark.parametrize("field", dataclasses.fields(Settings), ids=lambda field: field.name)
def test_every_setting_explains_itself(field):
    assert field.metadata["help"]
    assert not field.metadata["help"].endswith(".")


def test_lists_are_split_by_commas_and_paths_as_path_is():
    settings = Settings.read({}, {"HUB_ALLOWED_HOSTS": "a.example, b.example:80,", "HUB_ROOTS": "/a:/b c:"})
    assert settings.allowed_hosts == ("a.example", "b.example:80")
    assert settings.roots == ("/a", "/b c")


@pytest.mark.parametrize(
    ("flags", "environ", "named"),
    [
        ({}, {"HUB_PORT": "x"}, "HUB_PORT"),
        ({}, {"HUB_DURABLE_POWER": "perhaps"}, "HUB_DURABLE_POWER"),
        ({"port": 70_000}, {}, "port"),
        ({"ring_size": -1}, {}, "ring_size"),
        ({"log_level": "loud"}, {}, "log_level"),
        ({"log_format": "xml"}, {}, "log_format"),
        ({"allow_networks": ("10.0.0.0/99",)}, {}, "allow_networks"),
        ({"roots": ("here",)}, {}, "roots"),
        ({"sign_in": "perhaps"}, {}, "sign_in"),
        ({"trusted_proxies": ("everybody",)}, {}, "trusted_proxies"),
        ({"tls_key": "/k.pem"}, {}, "tls_cert"),
        ({"host": " , "}, {}, "host"),
    ],
)
def test_a_wrong_value_is_named(flags, environ, named):
    with pytest.raises(SettingsError, match=named):
        Settings.read(flags, environ)


@pytest.mark.parametrize(
    ("text", "named"),
    [("prot = 1\n", "prot"), ("port = '1'\n", "port must be"), ("port =\n", r"hub\.toml"), ("roots = 1\n", "roots")],
)
def test_a_wrong_config_file_is_named(text, named, config):
    with pytest.raises(SettingsError, match=named):
        Settings.read({}, {}, config(text))


def test_a_config_file_that_is_not_there_is_named_once(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.toml: No such file or directory$"):
        Settings.read({}, {}, tmp_path / "none.toml")


def test_a_config_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "hub.toml").write_bytes(b"port = \xff\n")
    with pytest.raises(SettingsError, match=r"hub\.toml"):
        Settings.read({}, {}, tmp_path / "hub.toml")


def test_what_a_value_should_be_is_said_in_words(config):
    with pytest.raises(SettingsError, match="HUB_PORT: 'x' is not a whole number"):
        Settings.read({}, {"HUB_PORT": "x"})
    with pytest.raises(SettingsError, match="port must be a whole number, got 'x'"):
        Settings.read({}, {}, config("port = 'x'\n"))


def test_the_config_file_may_be_named_in_the_environment(config, monkeypatch):
    monkeypatch.setenv("HUB_CONFIG", str(config("port = 9\n")))
    assert read_settings(parser().parse_args(["serve"])).port == 9


def test_the_data_folder_follows_the_xdg_specification(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / "progress-hub"
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert default_data_dir() == tmp_path / "me" / ".local" / "share" / "progress-hub"
    assert Settings(data_dir=str(tmp_path / "d")).data_path == tmp_path / "d"
