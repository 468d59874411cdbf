"""Turns the screen of an X server (an X Window Dump of 32 bits a pixel, as Xvfb -fbdir keeps it)
into a PNG: screen_to_png.py DUMP PNG"""

import struct
import sys
import zlib


def read_dump(path):
    """Width, height and rows of red, green, blue. The header: X11/XWDFile.h."""
    data = open(path, "rb").read()
    header = struct.unpack(">25I", data[:100])
    size, version, width, height = header[0], header[1], header[4], header[5]
    bits, line, colours = header[11], header[12], header[19]
    if version != 7 or bits != 32:
        sys.exit(f"{path}: version {version}, {bits} bits a pixel: not a dump that this can read")
    start = size + 12 * colours
    rows = []
    for y in range(height):
        row = data[start + y * line:start + y * line + width * 4]
        out = bytearray(width * 3)
        out[0::3], out[1::3], out[2::3] = row[2::4], row[1::4], row[0::4]
        rows.append(bytes(out))
    return width, height, rows


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


width, height, rows = read_dump(sys.argv[1])
with open(sys.argv[2], "wb") as png:
    png.write(b"\x89PNG\r\n\x1a\n" +
              chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
              chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows), 9)) +
              chunk(b"IEND", b""))
