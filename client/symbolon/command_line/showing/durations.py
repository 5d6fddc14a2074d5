"""Durations as flags: seconds, at most a day."""

import argparse

MAX_SECONDS = 86_400.0


def parse_timeout(text: str) -> float:
    """Return a duration above 0; raises what argparse tells the user."""
    seconds = parse_wait(text)
    if seconds == 0:
        raise argparse.ArgumentTypeError("0 seconds leave no time for an answer")
    return seconds


def parse_wait(text: str) -> float:
    """Return a duration of 0 or more; raises what argparse tells the user."""
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 <= seconds <= MAX_SECONDS:  # also refuses nan
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {MAX_SECONDS:.0f} seconds")
    return seconds
