"""Logs by time, followed, searched: what is asked for is there, once, across restarts, clock changes and the seam to
what is not yet written."""
import base64
import datetime
import json
import os
import re
import signal
import subprocess
import time

import terminal
from harness import SHELL_USER, Equipment, Site, alone, eventually, program

NUMBERS = '[console.numbers]\nline = "test"\nrate = 200\n[console.other]\nline = "test"\nrate = 1\n'


def numbers_in(text):
    return [int(number) for number in re.findall(r"^(?:\S+ \S+ )?numbers (\d{12}) ", text, re.M)]


def assert_in_a_row(numbers):
    assert numbers and numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers[:5] + numbers[-5:]


class Follower:
    """A running `oob log -f`."""

    def __init__(self, site, *arguments):
        self.path = f"{site.folder}/followed"
        self.errors = f"{site.folder}/errors"
        with open(self.path, "wb") as out, open(self.errors, "wb") as errors:
            self.process = subprocess.Popen([program("oob"), "log", "-f", *arguments], stdout=out, stderr=errors,
                                            stdin=subprocess.DEVNULL, env={**os.environ, "OOB_SOCKET": site.socket})

    def text(self):
        with open(self.path) as file:
            return file.read()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


def test_a_followed_log_has_no_gap_and_no_repeat_from_its_past_to_live_and_over_a_killed_server():
    with Site(NUMBERS) as site:
        site.wait_logged("numbers", 300)
        follower = Follower(site, "-n", "50", "numbers")
        for _ in range(2):
            seen = (numbers_in(follower.text()) or [0])[-1]
            eventually(lambda: (numbers_in(follower.text()) or [0])[-1] > seen + 200, 20, "more numbers")
            site.restart_server()
        seen = numbers_in(follower.text())[-1]
        eventually(lambda: numbers_in(follower.text())[-1] > seen + 200, 20, "more numbers after the restarts")
        assert follower.end() == -signal.SIGINT
        text = follower.text()
        assert_in_a_row(numbers_in(text[:text.rindex("\n") + 1]))
        assert "missing" not in text
        with open(follower.errors) as file:
            assert "the server is back" in file.read()


def test_followed_events_are_told_once():
    with Site(NUMBERS) as site:
        site.wait_up("other")
        follower = Follower(site, "--time", "other")
        eventually(lambda: "up:" in follower.text(), 10, "the first event")
        for word in ("down", "up"):
            site.rest("POST", f"/v1/consoles/other/{word}")
            eventually(lambda: follower.text().count(f"] {word}") >= 1, 10, word)
        eventually(lambda: follower.text().count("] up") >= 2, 10, "up again")
        end = site.console("other")["log"]["end"]
        eventually(lambda: site.console("other")["log"]["end"] > end, 10, "output after it")
        follower.end()
        events = re.findall(r"^\[\S+ \S+\] .*", follower.text(), re.M)
        logged = [e for e in site.oob("log", "other", "--since", "1h", "--time").stdout.splitlines() if e.startswith("[")]
        assert events == logged, (events[:20], logged)


def test_what_is_said_of_a_lost_server_stands_beside_no_prompt():
    prompting = f'[console.sh]\nline = "exec"\ncommand = ["/bin/bash", "-c", "printf login:; sleep 1000"]\nuser = "{SHELL_USER}"\n'
    with Site(prompting) as site:
        site.wait_up("sh")
        following = terminal.Terminal([program("oob"), "log", "-f", "sh"], {"OOB_SOCKET": site.socket})
        following.wait("login:")
        site.server.kill()
        assert following.wait(rb"login:(.*?)\[[^\]]*; trying again\]").group(1) == b"\r\n"
        following.close()


def test_a_span_of_time_is_exact_to_a_second():
    with Site(NUMBERS) as site:
        site.wait_logged("numbers", 1000)
        whole = site.oob("log", "numbers", "--since", "1h", "--time").stdout
        assert_in_a_row(numbers_in(whole))
        assert numbers_in(whole)[0] == 1
        times = {int(n): datetime.datetime.fromisoformat(t) for t, n in re.findall(
            r"^(\d{4}-\S+ \S+) numbers (\d{12}) ", whole, re.M)}
        since, until = times[400], times[800]
        part = numbers_in(site.oob("log", "numbers", "--since", since.isoformat(), "--until",
                                   (until + datetime.timedelta(seconds=1)).isoformat()).stdout)
        assert_in_a_row(part)
        assert part[0] <= 400 and part[-1] >= 800, (part[0], part[-1])
        near = datetime.timedelta(seconds=2)
        assert times[part[0]] >= since - near and times.get(part[-1], until) <= until + near, (part[0], part[-1])
        for span in (["--since", "2030-01-01"], ["--until", "2020-01-01"]):
            nothing = site.oob("log", "numbers", *span)
            assert nothing.stdout == "" and "it goes from" in nothing.stderr, nothing
        assert len(numbers_in(site.oob("log", "numbers", "--since", "1h", "-n", "7").stdout)) == 7


def test_an_empty_log_is_said_to_be_empty():
    with Site('[console.dead]\nline = "exec"\ncommand = ["/bin/sleep", "1000"]\n') as site:
        empty = site.oob("log", "dead")
        assert empty.stdout == "" and "the log of dead is empty" in empty.stderr, empty


def test_grep_finds_each_line_once_with_its_context_and_exits_1_if_there_is_none():
    with Site(NUMBERS) as site:
        site.wait_logged("numbers", 1200)
        found = site.oob("grep", " 0000000[0-9]*00 ", "numbers")
        got = numbers_in(found.stdout)
        assert got == list(range(100, got[-1] + 1, 100)) and got[-1] >= 1200, got
        around = site.oob("grep", "-C", "2", "000000000(203|205)", "numbers").stdout
        assert numbers_in(around) == [201, 202, 203, 204, 205, 206, 207], around
        assert "--" not in around.splitlines(), around
        assert site.oob("grep", "-c", " 0000000001[0-9][0-9] ", "numbers").stdout == "100\n"
        assert site.oob("grep", "-l", "^numbers 0{11}7", "numbers,other").stdout == "numbers\n"
        assert "numbers: up" in site.oob("grep", "--events", "^up").stdout
        row = json.loads(site.oob("grep", "-o", "json", "000000000203", "numbers").stdout)
        assert base64.b64decode(row["data"]).startswith(b"numbers 000000000203") and row["console"] == "numbers", row
        for arguments, status in ((["zzz", "numbers"], 1), (["("], 2), (["((a{1000}){1000}){1000}"], 2),
                                  (["x", "nowhere"], 4), (["-A", "999", "x"], 2), (["--since", "x", "x"], 2)):
            done = site.oob("grep", *arguments, check=False)
            assert done.returncode == status and "Traceback" not in done.stderr, (arguments, done)
            assert status == 1 or done.stderr.startswith("oob: ") or ": oob" in done.stderr, done


def test_what_a_line_said_to_a_terminal_is_escaped_in_a_search():
    box = Equipment()
    with Site(f'[console.box]\nline = "tcp"\naddress = "{box.address}"\n') as site:
        site.wait_up("box")
        box.say(b"bad \x1b]0;title\x07 line\n")
        eventually(lambda: b"title" in open(site.log_path("box"), "rb").read(), 10, "the line in the log")
        screen = terminal.Terminal([program("oob"), "grep", "title", "box"], {**os.environ, "OOB_SOCKET": site.socket})
        screen.ended()
        shown = bytes(screen.shown)
        screen.close()
        assert b"\\x1b]0;" in shown and b"\x1b]0;" not in shown, shown


@alone
def test_a_time_in_a_log_of_2_gb_is_found_without_reading_it_all():
    with Site(NUMBERS) as site:
        site.wait_logged("numbers", 100)
        site.server.stop()
        # A log before this one: 2 GB of one line each 256 KB, in holes.
        path, block = site.log_path("other"), 256 * 1024
        begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
        with open(path, "wb") as file:
            for i in range(8192):
                when = (begin + datetime.timedelta(seconds=i)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
                line = b"line %d\n" % i
                file.seek(i * (block + 400))
                marker = f"\x1eoob {when} @{i * block} time line={1:016x}+{i * block}\n".encode()
                file.write(marker + line)
                file.seek(i * (block + 400) + len(marker) + block - 1)
                file.write(b"\n")
                file.write(b"\x1eoob " + f"{when} @{(i + 1) * block} note line={1:016x}+{(i + 1) * block} ".encode())
                room = (i + 1) * (block + 400) - file.tell() - 1
                assert room >= 0
                file.write(b"x" * room + b"\n")
        site.start_server()
        site.wait_up("numbers")
        start = time.monotonic()
        found = site.oob("log", "other", "--since", "2026-01-01T01:23:20Z", "--until", "2026-01-01T01:23:20Z", "--raw")
        took = time.monotonic() - start
        assert "line 5000" in found.stdout and "line 5002" not in found.stdout, found.stdout[:200]
        print(f"found in {took * 1000:.0f} ms")
        assert took < 3, took
