"""Frames bytes like uploads to S3, as some stores keep them."""

SIGNATURE = b";chunk-signature=" + b"0123456789abcdef" * 4


def frame(data: bytes, chunk_bytes: int = 8192, *, is_signed: bool = True) -> bytes:
    """Return `data` in chunks, the last of which may be smaller, with signatures or a checksum."""
    starts = range(0, len(data), chunk_bytes)
    chunks = [data[start : start + chunk_bytes] for start in starts]
    extension = SIGNATURE if is_signed else b""
    framed = [b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks]
    trailer = b"" if is_signed else b"x-amz-checksum-crc32:sOO8/Q==\r\n"
    return b"".join([*framed, b"0", extension, b"\r\n", trailer, b"\r\n"])
