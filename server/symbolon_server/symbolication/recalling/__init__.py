"""The fast path: frames that were answered before are found by their bytes and never decoded.

In come the encoded stacks of a request and its modules; out come the encoded answers, with None
for each frame that is not remembered. A remembered frame costs one slice and a look into two
lists and a dictionary: no decoding, no page, no lock.

From some 500 frames on, all frames are looked up at once, as numpy columns. This way answers
only if every frame is remembered and in the form that clients write; otherwise the frames are
recalled one by one. `RequestFrames`, beside the `Symbolicator`, makes that choice.

Rule: recalled answers equal those of decoding and looking up each frame. The tests and the
fuzzer compare both ways on every input.
"""
