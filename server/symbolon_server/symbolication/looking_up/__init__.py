"""One call's way through the tiers, for the frames that are not remembered.

1. The frames are decoded and grouped by module, each distinct offset once.
2. Page directories come from memory, the others from store and spool in one round trip.
3. Pages come from memory; the missing ones of all modules, with their page dictionaries, come
   from store and spool in another round trip, up to 1,200 pages at a time.
4. Modules that are still unanswered have a remembered failure, or are queued for ingest. The call
   waits, if it may, until the ingests end, or until the first of its own `max_wait`, the server's
   limit and a margin before its deadline. Then it looks again, for at most four rounds.
5. What has no answer then is pending.

Out come one outcome for each module and the encoded answer for each frame, which is also
remembered. What only a lower tier has is put into the tiers above.

Rules: all frames of a module are answered from one generation. Damaged bytes are a miss. A page
with inconsistent numbers but a right checksum is noticed only when it is used: then the spool is
queried, and an ingest writes it again. A caller that is gone ends the call at its next step
(`CallerGoneError`). Waiting needs a place: at most half of the threads wait, so calls for what is
in memory always find one.
"""
