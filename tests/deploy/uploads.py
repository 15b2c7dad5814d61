"""Hostile uploads: what a person, a broken client or an attacker may send instead of a picture."""

import functools
import io
import struct
import zlib

import numpy as np
from PIL import Image

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")


def picture(rng, form="PNG", side=48):
    """Return the bytes of a picture of smooth noise."""
    small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return encoded(small.resize((side, side)), form)


def encoded(image, form="PNG", **options):
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, data=b"", bits=8, colour=2, extra=b""):
    """Return a PNG file with any header, whether or not its data fit."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(data, 1)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + extra + body


def many_scans(count, side=64):
    """Return a progressive JPEG with its last scan repeated: small to send, slow to decode."""
    content = encoded(Image.new("RGB", (side, side), (200, 80, 40)), "JPEG", progressive=True)
    start = content.rindex(b"\xff\xda")
    return content[:start] + content[start:-2] * count + content[-2:]


def many_pages(count):
    """Return a TIFF file with so many pages, each marked as a reduced copy: slow to look through."""
    tags = {254: 1, 256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: 8, 279: 64}
    page = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()
    )
    places = [8 + (len(page) + 4) * number for number in range(1, count)]
    return b"II*\0" + struct.pack("<I", 8) + b"".join(page + struct.pack("<I", one) for one in [*places, 0])


def random_bytes(rng):
    start = rng.choice([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"II*\0", b"RIFF"])
    return bytes(start) + rng.bytes(int(rng.integers(1, 3000)))


def truncated(rng):
    content = picture(rng, str(rng.choice(FORMATS)))
    return content[: int(rng.integers(1, max(2, len(content) // 2)))]


def flipped(rng):
    """Return a picture with a few wrong bytes; some of these can still be read."""
    content = bytearray(picture(rng, str(rng.choice(FORMATS))))
    for place in rng.integers(0, len(content), 8):
        content[place] ^= int(rng.integers(1, 256))
    return bytes(content)


def bomb(rng):
    side = int(rng.choice([30_000, 65_535, 2**31 - 1]))
    return png(side, side, b"\0" * 100_000)


@functools.cache
def huge_text(kind, start):
    """Return a PNG whose metadata take 20 kB, and 20 MB in memory."""
    return png(8, 8, b"\0" * 200, extra=png_chunk(kind, start + zlib.compress(b"a" * 20_000_000, 9)))


def huge_header(rng):
    if rng.integers(2):
        return huge_text(b"zTXt", b"comment\0\0")
    return huge_text(b"iCCP", b"icc\0\0")


def wrong_type(rng):
    return [
        b"%PDF-1.7\n1 0 obj <<>> endobj",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{1} loop\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"PK\x03\x04" + bytes(60),
        b"P6 9 9 255\n" + bytes(243),
        b'{"image": "no"}',
        "<html>é</html>".encode("utf-16"),
        many_scans(200),
        many_pages(200),
    ][int(rng.integers(9))]


HOSTILE = (random_bytes, truncated, flipped, bomb, huge_header, wrong_type)
