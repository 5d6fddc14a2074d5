"""Explains one frame: what each tier has, which page and symbol decide, what suppliers answered.

In come a module and a module offset; out comes an `Explanation`: the answer, each tier with
what it holds, the page and the ranges around the offset, the symbol that decides and why a
public symbol answers or not, the remembered failure, and the last round of suppliers.

Rules: it queries every tier, also those that a call would not reach, and starts nothing: no
ingest, no wait, nothing is put into a tier. The answer comes from the code that answers calls, so
both always agree. The answers of suppliers are in the cache as long as the failure that they
explain, for a minute at least if a supplier failed, or for ten minutes after a successful ingest.
"""
