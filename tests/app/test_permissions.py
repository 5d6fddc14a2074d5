"""`check` finds each permission that the users of the Redis servers lack."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from symbolon_server.app.programs.check_command import Verdict, check
from symbolon_server.cache import invalidation_scripts, missing_modules
from symbolon_server.ingest.queueing import scripts
from symbolon_server.ingest.queueing.permissions import (
    CACHE,
    FOR_AGES,
    STORE,
    Permissions,
    find_missing_permissions,
)
from symbolon_server.ingest.working import supplier_pauses
from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis
from symbolon_server.redis_servers.servers import connect
from symbolon_server.settings import read_settings
from tests.app.conftest import SAMPLE
from tests.fixtures.redis_users import denied, documented_rules, make_user, url_of

PARTS = [
    (role, rule)
    for role in ("store", "cache")
    for rule in documented_rules(role)
    if rule[0] in "+~&"
]


@pytest.fixture
def users(redis_store: redis.Redis, redis_cache: redis.Redis) -> Iterator[dict[str, redis.Redis]]:
    admins = {"store": redis_store, "cache": redis_cache}
    for role, admin in admins.items():
        make_user(admin, role, documented_rules(role))
        admin.acl_log_reset()
    yield admins
    for role, admin in admins.items():
        admin.acl_deluser(f"symbolon-{role}")


@pytest.fixture
def check_lines(
    redis_store_url: str, redis_cache_url: str, tmp_path: Path
) -> Callable[[], list[str]]:
    settings = read_settings(
        {},
        {
            "SYMBOLON_LISTEN": "127.0.0.1:0",  # a server may listen on the port of the default
            "SYMBOLON_STORE_URL": url_of("store", redis_store_url),
            "SYMBOLON_CACHE_URL": url_of("cache", redis_cache_url),
            "SYMBOLON_SUPPLIERS": str(SAMPLE / "symbols"),
            "SYMBOLON_SPOOL_DIR": str(tmp_path),
        },
    )
    return lambda: [
        str(finding) for finding in check(settings, {}) if finding.verdict is not Verdict.OK
    ]


def keys_of(admins: dict[str, redis.Redis]) -> list[set[object]]:
    return [set(admin.keys()) for admin in admins.values()]


def test_check_accepts_what_the_readme_lists_and_leaves_nothing_behind(
    users: dict[str, redis.Redis], check_lines: Callable[[], list[str]]
) -> None:
    before = keys_of(users)
    assert check_lines() == []
    assert [denied(admin) for admin in users.values()] == [[], []]
    assert keys_of(users) == before


@pytest.mark.promise(
    "The documented Redis permissions suffice, and check names missing ones", group="access"
)
@pytest.mark.parametrize(("role", "rule"), PARTS)
def test_check_names_the_permission_that_is_missing(
    users: dict[str, redis.Redis], check_lines: Callable[[], list[str]], role: str, rule: str
) -> None:
    make_user(users[role], role, [other for other in documented_rules(role) if other != rule])
    lines = check_lines()
    words = {word.rstrip(".") for word in " ".join(lines).lower().replace("command ", "+").split()}
    assert rule in words, lines
    others = {other for other in documented_rules(role) if other[0] in "+~&"} - {rule}
    assert not words & others, lines


def test_what_only_ages_need_is_no_more_than_a_warning(
    users: dict[str, redis.Redis], check_lines: Callable[[], list[str]]
) -> None:
    for role, admin in users.items():
        rules = [rule for rule in documented_rules(role) if rule not in FOR_AGES]
        assert len(rules) < len(documented_rules(role))
        make_user(admin, role, rules)
    lines = check_lines()
    assert len(lines) == 2
    assert all(line.startswith("WARN") and "a full store misses more" in line for line in lines)


@pytest.mark.parametrize("access", ["%R~", "%W~"])
def test_a_key_that_can_only_be_read_or_only_be_written_is_named(
    users: dict[str, redis.Redis], redis_cache_url: str, access: str
) -> None:
    rules = documented_rules("cache")
    rules[rules.index("~outcome:*")] = f"{access}outcome:*"
    make_user(users["cache"], "cache", rules)
    with connect(url_of("cache", redis_cache_url)) as client:
        assert find_missing_permissions(client, CACHE) == ["~outcome:*"]


@pytest.mark.parametrize(("role", "permissions"), [("store", STORE), ("cache", CACHE)])
def test_check_tries_what_the_readme_lists_and_nothing_else(
    role: str, permissions: Permissions
) -> None:
    commands = {f"+{line.split()[0]}" for line in permissions.commands}
    if permissions.channels:
        commands |= {"+publish", "+subscribe"}
    rules = documented_rules(role)
    assert {rule for rule in rules if rule[0] == "+"} == commands
    assert {rule for rule in rules if rule[0] == "~"} == {f"~{key}" for key in permissions.keys}
    assert {rule for rule in rules if rule[0] == "&"} == {f"&{c}" for c in permissions.channels}


def test_what_scripts_call_is_listed() -> None:
    modules = (scripts, invalidation_scripts, missing_modules, supplier_pauses)
    texts = [text for module in modules for text in vars(module).values() if isinstance(text, str)]
    called = {
        f"+{name.lower()}"
        for text in texts
        for name in re.findall(r"redis\.p?call\(['\"]([A-Z]+)['\"]", text)
    }
    assert called <= set(documented_rules("cache"))


def test_a_command_that_was_renamed_away_is_named() -> None:
    options = EmbeddedOptions(overrides={"rename-command": 'EVAL ""'})
    with EmbeddedRedis.start("cache.conf", options) as server, connect(server.url) as client:
        assert find_missing_permissions(client, CACHE) == ["+eval"]
