import argparse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.settings import (
    Group,
    InvalidSettingsError,
    Settings,
    add_flags,
    find_likely_name,
    kinds,
    read_settings,
    unknown_variables,
)
from symbolon_server.settings.table import Row, rows

GOOD = [
    ("listen", "0.0.0.0:0", ListenAddress("0.0.0.0", 0)),  # noqa: S104 # only parsed
    ("listen", "[::1]:50051", ListenAddress("::1", 50051)),
    ("allow_insecure_public", "true", True),
    ("allow_insecure_public", "No", False),
    ("threads", "2", 2),
    ("memory_bytes", "1MiB", 1024**2),
    ("memory_bytes", "1.5 GiB", 3 * 512 * 1024**2),
    ("memory_bytes", "2097152", 2 * 1024**2),
    ("memory_bytes", "2048kib", 2 * 1024**2),
    ("spool_bytes", "0", 0),
    ("max_wait_seconds", "0", 0.0),
    ("max_wait_seconds", "2.5", 2.5),
    ("spool_dir", "/tmp/../var", Path("/tmp/../var")),  # noqa: S108 # only parsed
    ("store_url", "embedded", "embedded"),
    ("store_url", "rediss://user:pw@host:6379/0", "rediss://user:pw@host:6379/0"),
    ("cache_url", "unix:///run/cache.sock", "unix:///run/cache.sock"),
    ("cache_url", "unix://a:b@/run/cache.sock?db=1", "unix://a:b@/run/cache.sock?db=1"),
    ("cache_url", "redis://:a%2Fb@[::1]:1?protocol=2", "redis://:a%2Fb@[::1]:1?protocol=2"),
    (
        "cache_url",
        "redis+sentinel://a:1,b,[::1]:2/my-cache.1?db=1&sentinel_password=x%2Fy",
        "redis+sentinel://a:1,b,[::1]:2/my-cache.1?db=1&sentinel_password=x%2Fy",
    ),
    ("store_url", "redis+cluster://a:1,b,[::1]:2", "redis+cluster://a:1,b,[::1]:2"),
    ("suppliers", "/symbols, https://a.example/x ,", ("/symbols", "https://a.example/x")),
    (
        "suppliers",
        "/symbols#casing=any,https://a.example#casing=lower, absent=403",
        ("/symbols#casing=any", "https://a.example#casing=lower", "absent=403"),
    ),
    ("tls_cert", "/etc/tls.crt", Path("/etc/tls.crt")),
    ("auth_tokens_file", "Off", None),
    ("worker", "auto", None),
    ("worker", "false", False),
    ("metrics_listen", "off", None),
    ("metrics_listen", "127.0.0.1:9464", ListenAddress("127.0.0.1", 9464)),
    ("log_format", "JSON", "json"),
    ("http_hosts", "Symbols.example, [2001:db8::1]", ("symbols.example", "[2001:db8::1]")),
    ("http_origins", "", ()),
    (
        "http_source_links",
        "a.example=https://a.example/{host}/{repository}?at={revision}#{path}:{line}, b=http://c/",
        (
            "a.example=https://a.example/{host}/{repository}?at={revision}#{path}:{line}",
            "b=http://c/",
        ),
    ),
    (
        "http_origins",
        "https://Profiler.example,http://[::1]:4242",
        ("https://profiler.example", "http://[::1]:4242"),
    ),
]

BAD = [
    ("fetch_dir", "~no-such-user/files"),
    ("listen", "50051"),
    ("listen", "::1:50051"),
    ("listen", "[fe80::zz]:1"),
    ("listen", "localhost:65536"),
    ("listen", "localhost:-1"),
    ("listen", ":50051"),
    ("processes", "0"),
    ("threads", "1"),
    ("threads", "1_0"),
    ("threads", "+3"),
    ("threads", "٣"),
    ("memory_bytes", "256MB"),
    ("memory_bytes", "-1"),
    ("memory_bytes", "1KiB"),
    ("memory_bytes", "many"),
    ("max_wait_seconds", "60s"),
    ("max_wait_seconds", "-1"),
    ("max_wait_seconds", "nan"),
    ("max_wait_seconds", "inf"),
    ("missing_seconds", "0"),
    ("store_url", "http://localhost"),
    ("store_url", "redis://:hunter/2@host"),
    ("store_url", "redis://:123/4@host"),
    ("store_url", "redis://somebody:1/2@host"),
    ("store_url", "redis://somebody:hunter?2@host"),
    ("store_url", "redis://somebody:hunter#2@host"),
    ("store_url", "redis://host:port"),
    ("store_url", "unix://somebody:hunter/2@/run/cache.sock"),
    ("store_url", "unix://"),
    ("store_url", "redis+sentinel://a:26379"),
    ("store_url", "redis+sentinel://a:26379,/store"),
    ("store_url", "redis+sentinel:///store"),
    ("store_url", "redis+sentinel://a:26379/store/0"),
    ("store_url", "redis+sentinel://somebody:hunter/2@a:26379/store"),
    ("store_url", "redis+sentinel://a/store?sentinel_password=hunter@2"),
    ("store_url", "redis+cluster://a:1,"),
    ("store_url", "redis+cluster://:hunter/2@a:1"),
    ("worker", "perhaps"),
    ("allow_shared_redis", "2"),
    ("log_level", "loud"),
    ("http_hosts", "symbols.example:8080"),
    ("http_hosts", "https://symbols.example"),
    ("http_hosts", "*"),
    ("http_source_links", "a.example"),
    ("http_source_links", "a.example=javascript:alert(1)"),
    ("http_source_links", "a.example=https://a.example/{file}"),
    ("http_origins", "*"),
    ("http_origins", "null"),
    ("http_origins", "profiler.example"),
    ("http_origins", "https://profiler.example/"),
]


def row_of(name: str) -> Row:
    return next(row for row in rows() if row.name == name)


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_a_setting_is_read_from_its_variable_and_from_its_flag(
    name: str, text: str, value: Any
) -> None:
    from_variable = read_settings({}, {row_of(name).variable: text})
    assert getattr(from_variable, name) == value
    if "@" not in text and "?" not in text:
        assert getattr(read_settings({name: text}, {}), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("store_url", "redis://:hunter2@host"),
        ("cache_url", "redis://host?password=hunter2"),
        ("suppliers", "/symbols,https://host/?signature=hunter2"),
    ],
)
def test_what_may_be_a_password_is_not_taken_from_a_flag(name: str, text: str) -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        read_settings({name: text}, {})
    (problem,) = caught.value.problems
    assert problem.endswith(f"set {row_of(name).variable} instead")
    assert "hunter2" not in problem


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_bad_value_is_refused_with_name_value_and_what_is_expected(name: str, text: str) -> None:
    row = row_of(name)
    with pytest.raises(InvalidSettingsError) as caught:
        read_settings({}, {row.variable: text})
    (problem,) = caught.value.problems
    assert problem.startswith(row.variable)
    assert row.kind.expected in problem
    assert (repr(text) in problem) is not row.is_secret


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        read_settings({"threads": "x"}, {"SYMBOLON_LISTEN": "y"})
    assert len(caught.value.problems) == 2


def test_a_flag_wins_over_the_variable_and_is_named_in_errors() -> None:
    assert read_settings({"threads": "8"}, {"SYMBOLON_THREADS": "9"}).threads == 8
    with pytest.raises(InvalidSettingsError, match="--threads is 'x'"):
        read_settings({"threads": "x"}, {"SYMBOLON_THREADS": "9"})


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read_settings({}, {"SYMBOLON_THREADS": "", "SYMBOLON_METRICS_LISTEN": ""}) == Settings()


def test_every_setting_has_a_flag_of_its_name() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, Group)
    for row in rows():
        arguments = [row.flag]
        if not row.kind.expected.startswith(kinds.SWITCH.expected):
            arguments.append(row.kind.show(row.default))
        flags = vars(parser.parse_args(arguments))
        assert flags[row.name] is not None
        read_settings(flags, {})


def test_a_switch_has_a_flag_to_turn_it_off() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, Group)
    flags = vars(parser.parse_args(["--no-worker"]))
    assert read_settings(flags, {}).worker is False


def test_the_environment_form_reads_back_as_the_same_settings() -> None:
    settings = read_settings({}, {row_of(name).variable: text for name, text, _ in GOOD})
    assert read_settings({}, settings.as_environment()) == settings
    assert read_settings({}, Settings().as_environment()) == Settings()


@given(st.integers(0, 2**50))
def test_a_size_reads_back_as_it_is_shown(value: int) -> None:
    kind = kinds.size(0)
    assert kind.parse(kind.show(value)) == value


def test_secrets_are_not_in_the_text_of_settings_or_errors() -> None:
    secret = "hunter2"
    url = f"redis://user:{secret}@host"
    settings = Settings(store_url=url, cache_url=url, suppliers=(f"https://u:{secret}@host",))
    assert secret not in repr(settings)
    with pytest.raises(InvalidSettingsError) as caught:
        read_settings({}, {"SYMBOLON_STORE_URL": f"rediz://user:{secret}@host"})
    assert secret not in str(caught.value)


def test_a_misspelt_variable_is_noticed() -> None:
    environment = {"SYMBOLON_THREDS": "1", "SYMBOLON_THREADS": "2", "HOME": "/"}
    assert unknown_variables(environment) == ["SYMBOLON_THREDS"]
    assert find_likely_name("SYMBOLON_THREDS") == "SYMBOLON_THREADS"
    assert find_likely_name("SYMBOLON_XYZZY") is None


def test_variables_that_others_set_are_not_taken_for_settings() -> None:
    """Kubernetes gives each pod those of every service, also of one called symbolon-store."""
    environment = {
        "SYMBOLON_TOKEN": "of the client",
        "SYMBOLON_SERVICE_HOST": "10.0.0.7",
        "SYMBOLON_SERVICE_PORT": "50051",
        "SYMBOLON_SERVICE_PORT_GRPC": "50051",
        "SYMBOLON_PORT": "tcp://10.0.0.7:50051",
        "SYMBOLON_PORT_50051_TCP": "tcp://10.0.0.7:50051",
        "SYMBOLON_PORT_50051_TCP_PROTO": "tcp",
        "SYMBOLON_PORT_50051_TCP_PORT": "50051",
        "SYMBOLON_PORT_50051_TCP_ADDR": "10.0.0.7",
        "SYMBOLON_STORE_SERVICE_HOST": "10.0.0.8",
        "SYMBOLON_STORE_PORT": "tcp://10.0.0.8:6379",
    }
    assert unknown_variables(environment) == []
    assert unknown_variables({"SYMBOLON_PORT": "50051"}) == ["SYMBOLON_PORT"]


def test_every_setting_of_the_interface_exists_with_its_default() -> None:
    defaults = {row.variable: row.default_text for row in rows()}
    promised = {
        "SYMBOLON_LISTEN": "127.0.0.1:50051",
        "SYMBOLON_STORE_URL": "embedded",
        "SYMBOLON_CACHE_URL": "embedded",
        "SYMBOLON_PROCESSES": "1",
        "SYMBOLON_THREADS": "64",
        "SYMBOLON_MAX_CALLS_IN_FLIGHT": "256",
        "SYMBOLON_MEMORY_BYTES": "256MiB",
        "SYMBOLON_SPOOL_BYTES": "4GiB",
        "SYMBOLON_MAX_MODULES": "5000",
        "SYMBOLON_MAX_FRAMES": "200000",
        "SYMBOLON_MAX_WAIT_SECONDS": "60",
        "SYMBOLON_METRICS_LISTEN": "off",
        "SYMBOLON_TLS_CERT": "off",
        "SYMBOLON_TLS_KEY": "off",
        "SYMBOLON_TLS_CLIENT_CA": "off",
        "SYMBOLON_AUTH_TOKENS_FILE": "off",
    }
    assert promised.items() <= defaults.items()


@pytest.mark.parametrize(
    ("text", "is_loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.8.8.8:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("no-such-host.invalid:1", False),
    ],
)
def test_only_loopback_addresses_count_as_such(text: str, is_loopback: bool) -> None:
    assert ListenAddress.parse(text).is_loopback() is is_loopback
