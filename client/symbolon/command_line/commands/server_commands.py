"""`symbolon info` and `health`: how the servers are doing."""

import argparse
import sys
import threading
from typing import Any

from symbolon.client import Client
from symbolon.command_line.exit_codes import SERVER_TROUBLE, SUCCESS
from symbolon.command_line.parsers import add_json, add_parser
from symbolon.command_line.showing.durations import parse_timeout
from symbolon.command_line.showing.facts import write_bytes, write_fact, write_ratio
from symbolon.command_line.showing.tables import show_table
from symbolon.command_line.showing.values import write_json
from symbolon.results import RedisInfo, StoreInfo, TierInfo

CLEAR_SCREEN = "\x1b[H\x1b[2J"
WATCH_SECONDS = 2.0


def add_info(commands: Any) -> argparse.ArgumentParser:
    """Add `info`."""
    parser = add_parser(
        commands,
        "info",
        "tell how the Redis servers and the server's memory are doing",
        "Tells how both Redis servers and the server's own memory are doing.",
        show_info,
    )
    parser.add_argument(
        "--watch",
        type=parse_timeout,
        nargs="?",
        const=WATCH_SECONDS,
        metavar="SECONDS",
        help="ask again and again, so often (default: every 2 s), until interrupted",
    )
    add_json(parser)
    return parser


def add_health(commands: Any) -> argparse.ArgumentParser:
    """Add `health`."""
    parser = add_parser(
        commands,
        "health",
        "tell whether the server serves",
        "Tells whether the server serves; exits with 1 if it does not.",
        show_health,
    )
    parser.add_argument(
        "--service",
        default="",
        help="one service, such as symbolon.v1.SymbolicationService (default: the whole server)",
    )
    add_json(parser)
    return parser


def show_info(client: Client, options: argparse.Namespace) -> int:
    """Print the state of the servers behind the server, once or again and again."""
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
    """Print whether the server serves."""
    is_serving = client.is_serving(options.service)
    if options.json:
        print(write_json({"is_serving": is_serving}))
    else:
        print("serving" if is_serving else "not serving")
    return SUCCESS if is_serving else SERVER_TROUBLE


def print_info(info: StoreInfo) -> None:
    """Print what an operator wants to see, warnings last."""
    about = "about " if info.is_estimated else ""
    print(
        f"Symbolon {info.server_version}, up {info.server_uptime_seconds:,.0f} s: "
        f"{about}{info.modules:,} modules and {info.pages:,} pages stored, "
        f"{info.queued_modules:,} modules queued\n"
    )
    show_table(("", "store", "cache"), list(zip(*map(_describe, _columns(info)), strict=True)))
    print()
    headings = ("tier", "entries", "size", "limit", "hits", "misses", "hit ratio")
    show_table(headings, [_describe_tier(tier) for tier in info.tiers])
    if info.warnings:
        print("\nWarnings")
        for warning in info.warnings:
            print(f"  {warning}")


def _columns(info: StoreInfo) -> tuple[None, RedisInfo, RedisInfo]:
    return None, info.store, info.cache


def _describe(redis: RedisInfo | None) -> list[str]:
    """Return a column of the table; the first one says what the others hold."""
    if redis is None:
        return [
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
        ]
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
