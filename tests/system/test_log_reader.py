"""The judge is judged: log_reader accepts sound logs and finds each kind of fault in unsound ones. No daemons."""
import log_reader
from log_reader import LogError, check_numbered, decode, numbered_bytes

HEAD, TAIL = b"n ", b" ....\r\n"
SIZE = len(HEAD) + 12 + len(TAIL)


def marker(offset, event="start", more=""):
    return b"\x1eoob 2026-01-02T03:04:05.678Z @%d %s line=00000000000000ab+%d%s\n" % (
        offset, event.encode(), offset, more.encode())


def lines(first, last):
    return numbered_bytes(HEAD, TAIL, (first - 1) * SIZE, (last - first + 1) * SIZE)


def refuses(raw):
    try:
        check_numbered(decode(raw))
    except LogError:
        return True
    return False


def test_a_sound_log_is_read_byte_for_byte():
    raw = marker(0) + b"one\x1e\x1etwo" + b"\x1e\n" + marker(7, "time") + b"three\n"
    pieces = decode(raw)
    assert log_reader.output(pieces) == b"one\x1etwothree\n"
    assert [m.event for m in log_reader.markers(pieces)] == ["start", "time"]


def test_a_torn_end_is_refused_in_a_closed_file_and_taken_in_an_open_one():
    raw = marker(0) + b"x\n" + marker(2)[:20]
    assert log_reader.output(decode(raw, whole=False)) == b"x\n"
    try:
        decode(raw)
    except LogError:
        return
    raise AssertionError("a torn marker was taken")


def test_offsets_that_do_not_add_up_are_found():
    assert refuses(marker(0) + lines(1, 2) + marker(2 * SIZE + 1, "time"))


def test_numbered_lines_are_counted():
    found = check_numbered(decode(marker(0) + lines(1, 5) + marker(5 * SIZE, "time") + lines(6, 9)))
    assert (found.lines, found.last, found.runs, found.gap_bytes, found.unknown_gaps) == (9, 9, 1, 0, 0)


def test_a_missing_a_doubled_and_a_damaged_line_are_found():
    assert refuses(marker(0) + lines(1, 5) + lines(7, 9))
    assert refuses(marker(0) + lines(1, 5) + lines(5, 9))
    assert refuses(marker(0) + lines(1, 5) + lines(6, 6).replace(b".", b"x") + lines(7, 9))
    assert refuses(marker(0) + lines(2, 5))
    assert refuses(marker(0) + lines(1, 5) + lines(1, 5))


def test_a_gap_has_to_account_exactly():
    def log(gap):
        return marker(0) + lines(1, 5) + marker(5 * SIZE, "gap", f" bytes={gap}") + lines(8, 9)
    assert check_numbered(decode(log(2 * SIZE))).gap_bytes == 2 * SIZE
    assert refuses(log(2 * SIZE - 1))
    assert refuses(log(3 * SIZE))


def test_numbering_begins_anew_only_after_a_marker_that_allows_it():
    raw = marker(0) + lines(1, 5) + marker(5 * SIZE, "gap", " bytes=unknown") + lines(1, 3)
    found = check_numbered(decode(raw))
    assert (found.runs, found.unknown_gaps, found.run_ends) == (2, 1, (5, 3))
    assert refuses(raw.replace(b"gap", b"time").replace(b" bytes=unknown", b""))
