"""`symbolon info` and `health`: the state of the servers."""

import argparse
import sys
import threading

from symbolon.client import Client
from symbolon.command_line.parsers import SERVER_TROUBLE, SUCCESS, Command, parse_timeout
from symbolon.command_line.showing.facts import (
    show_table,
    write_bytes,
    write_fact,
    write_json,
    write_ratio,
)
from symbolon.results import RedisInfo, StoreInfo, TierInfo

CLEAR_SCREEN = "\x1b[H\x1b[2J"
WATCH_SECONDS = 2.0

_REDIS_ROWS = (
    "address",
    "state",
    "software",
    "memory",
    "limit",
    "policy",
    "keys",
    "evicted",
    "hits",
    "misses",
    "hit ratio",
    "clients",
    "up",
)


def show_info(client: Client, options: argparse.Namespace) -> int:
    """Print the state of the Redis servers and the server's own tiers, once or repeatedly."""
    pause = threading.Event()
    while True:
        info = client.get_store_info()
        if options.watch and sys.stdout.isatty():
            print(CLEAR_SCREEN, end="")
        print(write_json(info)) if options.json else print_info(info)
        sys.stdout.flush()
        if not options.watch:
            return SUCCESS
        pause.wait(options.watch)


def show_health(client: Client, options: argparse.Namespace) -> int:
    """Print the result of the health check."""
    is_serving = client.is_serving(options.service)
    if options.json:
        print(write_json({"is_serving": is_serving}))
    else:
        print("serving" if is_serving else "not serving")
    return SUCCESS if is_serving else SERVER_TROUBLE


def print_info(info: StoreInfo) -> None:
    """Print the state for people, warnings last."""
    about = "about " if info.is_estimated else ""
    print(
        f"Symbolon {info.server_version}, up {info.server_uptime_seconds:,.0f} s: "
        f"{about}{info.modules:,} modules and {info.pages:,} pages stored, "
        f"{info.queued_modules:,} modules queued\n"
    )
    columns = (_REDIS_ROWS, _describe_redis(info.store), _describe_redis(info.cache))
    show_table(("", "store", "cache"), list(zip(*columns, strict=True)))
    print()
    headings = ("tier", "entries", "size", "limit", "hits", "misses", "hit ratio")
    show_table(headings, [_describe_tier(tier) for tier in info.tiers])
    if info.warnings:
        print("\nWarnings")
        for warning in info.warnings:
            print(f"  {warning}")


def _describe_redis(redis: RedisInfo) -> list[str]:
    """Return the column of a Redis server, see `_REDIS_ROWS`."""
    return [
        redis.address,
        "reachable" if redis.is_reachable else f"unreachable: {redis.detail}",
        f"{redis.product} {redis.version}".strip(),
        write_bytes(redis.used_memory_bytes),
        write_bytes(redis.maxmemory_bytes) if redis.maxmemory_bytes else "none",
        redis.maxmemory_policy,
        write_fact(redis.keys),
        write_fact(redis.evicted_keys),
        write_fact(redis.hits),
        write_fact(redis.misses),
        write_ratio(redis.hits, redis.misses),
        write_fact(redis.connected_clients),
        f"{redis.uptime_seconds:,.0f} s",
    ]


def _describe_tier(tier: TierInfo) -> tuple[str, ...]:
    return (
        write_fact(tier.tier),
        write_fact(tier.entries),
        write_bytes(tier.bytes),
        write_bytes(tier.max_bytes) if tier.max_bytes else "off",
        write_fact(tier.hits),
        write_fact(tier.misses),
        write_ratio(tier.hits, tier.misses),
    )


def _add_watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--watch",
        type=parse_timeout,
        nargs="?",
        const=WATCH_SECONDS,
        metavar="SECONDS",
        help="repeat until interrupted, every SECONDS (default: 2)",
    )


def _add_service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--service",
        default="",
        help="one service, such as symbolon.v1.SymbolicationService (default: the whole server)",
    )


COMMANDS = (
    Command(
        "info",
        "show the state of the Redis servers and of the server's memory",
        "Shows the state of both Redis servers and of the server's own memory.",
        show_info,
        _add_watch,
    ),
    Command(
        "health",
        "check whether the server is serving",
        "Checks whether the server is serving; exits with 1 if it is not.",
        show_health,
        _add_service,
    ),
)
