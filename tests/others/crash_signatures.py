"""Prints what fx-crash-sig and siggen make of the answers of a symbolication API."""

import json
import sys
from typing import Any

from fx_crash_sig.crash_processor import CrashProcessor
from fx_crash_sig.symbolicate import Symbolicator
from siggen.generator import SignatureGenerator


def sign_ping(url: str, ping: dict[str, Any]) -> dict[str, Any]:
    """Return the signature of a crash ping, whose frames fx-crash-sig looks up itself."""
    return describe(CrashProcessor(api_url=url).get_signature(ping))


def sign_frames(frames: list[Any]) -> dict[str, Any]:
    """Return the signature of frames from an answer of version 5."""
    return describe(SignatureGenerator().generate({"threads": [{"frames": frames}]}))


def describe(result: Any) -> dict[str, Any]:
    return {
        "signature": result.signature,
        "frames": result.extra.get("proto_signature", "").split(" | "),
        "notes": result.notes,
    }


def main() -> None:
    """Take a JSON object with the URL, pings, lists of traces and stacks; print their results."""
    asked = json.loads(sys.argv[1])
    url = asked["url"]
    answered = {
        "pings": [sign_ping(url, ping) for ping in asked["pings"]],
        "traces": [Symbolicator(api_url=url).symbolicate_multi(some) for some in asked["traces"]],
        "stacks": [sign_frames(frames) for frames in asked["stacks"]],
    }
    sys.stdout.write(json.dumps(answered))


if __name__ == "__main__":
    main()
