"""Reads a console's log file as docs/LOG-FORMAT.md describes it, checks that its offsets are consistent, and checks
streams of numbered lines (line kind `test`, or Equipment.numbered) byte by byte: each once, in order, gaps exact."""
import re
from dataclasses import dataclass

MARK = b"\x1e"
MARKER = re.compile(rb"oob (\S+) @(\d+) ([a-z-]+) line=([0-9a-f]{16})\+(\d+)(?: bytes=(\d+|unknown))?(?: ([^\n]*))?\n")
NUMBER = re.compile(rb"^(\S+ )(\d{12})([^\n]*\n)")


class LogError(AssertionError):
    pass


@dataclass
class Marker:
    time: str
    offset: int  # in the log
    event: str
    incarnation: str
    line_offset: int
    gap_bytes: int | None  # None: no gap, or one of unknown size
    text: str

    @property
    def is_gap(self):
        return self.event == "gap"


@dataclass
class Bytes:
    offset: int
    data: bytes


def decode(raw, whole=True):
    """The pieces of a file: Bytes and Marker, in order. whole=False: the file is being written, its end may be torn."""
    pieces, at, offset, text_from = [], 0, None, None
    text = bytearray()

    def flush():
        if text:
            pieces.append(Bytes(text_from, bytes(text)))
            text.clear()

    while at < len(raw):
        mark = raw.find(MARK, at)
        plain = raw[at:] if mark < 0 else raw[at:mark]
        if plain:
            if offset is None:
                raise LogError("the file does not begin with a marker")
            if not text:
                text_from = offset
            text += plain
            offset += len(plain)
        if mark < 0:
            break
        kind = raw[mark + 1:mark + 2]
        if kind == MARK:  # a literal 0x1E
            if not text:
                text_from = offset
            text += MARK
            offset += 1
            at = mark + 2
        elif kind == b"\n":  # a newline that only the file has
            at = mark + 2
        else:
            found = MARKER.match(raw, mark + 1)
            if not found:
                if not whole and b"\n" not in raw[mark:]:
                    break
                raise LogError(f"no marker at byte {mark}: {raw[mark:mark + 120]!r}")
            flush()
            size = found.group(6)
            marker = Marker(found.group(1).decode(), int(found.group(2)), found.group(3).decode(),
                            found.group(4).decode(), int(found.group(5)), int(size) if size and size.isdigit() else None,
                            (found.group(7) or b"").decode("utf-8", "replace"))
            if offset is not None and marker.offset != offset:
                raise LogError(f"marker says @{marker.offset}, counted {offset}: {found.group(0)[:120]!r}")
            offset = marker.offset + (marker.gap_bytes or 0 if marker.is_gap else 0)
            pieces.append(marker)
            at = found.end()
    flush()
    return pieces


def read(path, whole=True):
    with open(path, "rb") as file:
        return decode(file.read(), whole)


def output(pieces):
    """The console's bytes alone, gaps closed up."""
    return b"".join(piece.data for piece in pieces if isinstance(piece, Bytes))


def markers(pieces, event=None):
    return [piece for piece in pieces if isinstance(piece, Marker) and event in (None, piece.event)]


@dataclass
class Numbered:
    lines: int = 0          # whole lines seen, all runs together
    last: int = 0           # number of the last whole line of the last run
    runs: int = 0           # how often the numbering began anew
    gap_bytes: int = 0      # known
    unknown_gaps: int = 0
    run_ends: tuple = ()    # the last number of each run


def numbered_bytes(head, tail, begin, length):
    """`length` bytes of the endless stream of numbered lines from byte `begin` on."""
    size = len(head) + 12 + len(tail)
    first = begin // size
    count = (begin + length) // size - first + 1
    whole = b"".join(head + b"%012d" % number + tail for number in range(first + 1, first + count + 1))
    return whole[begin - first * size:begin - first * size + length]


def check_numbered(pieces):
    """Holds the pieces against the stream of numbered lines; raises LogError at the first byte that differs. The
    numbering may begin anew only after a marker that says that the line opened, or that output may be missing."""
    result = Numbered()
    head = tail = None
    base = None            # log offset where the present run's line 1 begins
    may_restart = True
    ends, end = [], 0      # `end`: offset behind the last byte of the run
    for piece in pieces:
        if isinstance(piece, Marker):
            if piece.is_gap and piece.gap_bytes is None:
                result.unknown_gaps += 1
                may_restart = True
            elif piece.is_gap:
                result.gap_bytes += piece.gap_bytes
            may_restart = may_restart or piece.event in ("up", "line")
            continue
        if head is None:
            found = NUMBER.match(piece.data)
            if not found or int(found.group(2)) != 1:
                raise LogError(f"the log does not begin with line 1: {piece.data[:100]!r}")
            head, tail = found.group(1), found.group(3)
        size = len(head) + 12 + len(tail)
        continues = base is not None and piece.data == numbered_bytes(head, tail, piece.offset - base, len(piece.data))
        if not continues:
            if not may_restart or piece.data != numbered_bytes(head, tail, 0, len(piece.data)):
                raise LogError(where_it_differs(piece, head, tail, base))
            if base is not None:
                ends.append((end - base) // size)
            result.runs += 1
            base = piece.offset
        end = piece.offset + len(piece.data)
        may_restart = False
        result.lines += piece.data.count(b"\n")
    if base is not None:
        ends.append((end - base) // (len(head) + 12 + len(tail)))
    result.run_ends = tuple(ends)
    result.last = ends[-1] if ends else 0
    return result


def where_it_differs(piece, head, tail, base):
    if base is None:
        return f"numbering does not begin at 1: {piece.data[:100]!r}"
    want = numbered_bytes(head, tail, piece.offset - base, len(piece.data))
    at = next(i for i in range(len(want)) if want[i] != piece.data[i])
    begin = max(0, at - 40)
    return (f"at log offset {piece.offset + at}: expected ..{want[begin:at + 60]!r}, found ..{piece.data[begin:at + 60]!r}")


def last_number(path):
    """The number of the last whole line in the file's last 64 KB, for waiting; 0 if there is none yet."""
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 65536))
            found = re.findall(rb"\n?\S+ (\d{12})[^\n\x1e]*\n", file.read())
    except FileNotFoundError:
        return 0
    return int(found[-1]) if found else 0
