"""One server a state folder, no older server on a newer schema, and logs on a disk that is full or may not be written:
lines run on, viewers see on, the gap is counted and marked when space returns."""
import glob
import os
import re
import sqlite3
import stat
import subprocess

import log_reader
from harness import Daemon, Equipment, Site, eventually, limit, program, tool
from stream import Stream


def refused_start(site, config):
    second = Daemon("second oobd", [program("oobd"), "--foreground", "--config", config], None)
    second.may_end = True
    site.daemons.append(second)
    second.wait_log(r"\(end of log\)", timeout_s=20)
    assert second.process.wait(5) != 0
    return "\n".join(second.lines)


def test_a_second_server_on_the_same_state_folder_refuses_and_names_the_first():
    with Site('[console.echo]\nline = "test"\n') as site:
        site.wait_up("echo")
        text = open(f"{site.folder}/oobd.toml").read()
        config = f"{site.folder}/second.toml"
        with open(config, "w") as file:
            file.write(text.replace(f'"{site.socket}"', f'"{site.folder}/s2"').replace(f'"{site.folder}/a"',
                       f'"{site.folder}/a2"').replace(str(site.port), "0"))
        said = refused_start(site, config)
        assert re.search(rf"another oobd.*{site.server.pid}", said), said
        site.wait_up("echo")
        site.server.kill()  # a lock that its owner could not give back is no obstacle
        site.start_server()
        site.wait_up("echo")


def test_an_older_server_refuses_a_newer_schema_and_leaves_it_as_it_is():
    with Site() as site:
        assert site.server.stop() == 0
        path = glob.glob(f"{site.folder}/state/db/*.sqlite*")[0]
        database = sqlite3.connect(path)
        database.execute("PRAGMA user_version = 999")
        database.close()
        before = open(path, "rb").read()
        said = refused_start(site, f"{site.folder}/oobd.toml")
        assert "newer" in said and "999" in said, said
        assert open(path, "rb").read() == before


def test_logs_are_for_owner_and_group_only():
    with Site('[console.n]\nline = "test"\nrate = 10\n') as site:
        site.wait_logged("n", 1)
        assert stat.S_IMODE(os.stat(site.log_path("n")).st_mode) == 0o640
        assert stat.S_IMODE(os.stat(site.log_folder).st_mode) & 0o007 == 0


def small_disk(site, options):
    """Starts the site's oobd with a small tmpfs of its own as the log folder; the folder's path as seen from outside."""
    os.makedirs(site.log_folder, exist_ok=True)
    unshare = [tool("unshare", "util-linux"), "-m"] if os.geteuid() == 0 else [tool("unshare", "util-linux"), "-rm"]
    script = f'mount -t tmpfs -o {options} oob-test {site.log_folder} && exec "$@"'
    site.start_server(prefix=[*unshare, "sh", "-c", script, "sh"])
    site.start_agent("local")
    return f"/proc/{site.server.pid}/root{site.log_folder}"


@limit(100)
def test_a_full_disk_stops_nothing_and_the_gap_is_counted_exactly():
    site = Site('[console.n]\nline = "test"\nrate = 2000\n', start=False)
    with site:
        disk = small_disk(site, "size=3m")
        with open(f"{disk}/ballast", "wb") as file:
            file.write(bytes(2 << 20))
        stream = Stream(site.socket)
        channel = stream.attach("n")
        eventually(lambda: site.console("n")["log"]["trouble"], 40, "the log's trouble to be said")
        listed = site.oob("ls").stdout
        assert re.search(r"(?i)not logged|disk|space", listed), listed
        eventually(lambda: site.console("n")["log"]["unlogged_bytes"] > 200_000, 20, "the gap to grow")
        begin = len(channel.output)
        stream.pump(lambda: len(channel.output) > begin + 400_000, 20, "a viewer sees on")
        os.remove(f"{disk}/ballast")
        eventually(lambda: not site.console("n")["log"]["trouble"], 20, "the trouble to be over")
        raw = f"{disk}/n.log"
        eventually(lambda: log_reader.markers(log_reader.read(raw, whole=False), "gap"), 10, "the gap marker")
        size = os.path.getsize(raw)
        eventually(lambda: os.path.getsize(raw) > size + 100_000, 10, "the log to go on")
        found = log_reader.check_numbered(log_reader.read(raw, whole=False))
        assert found.runs == 1 and found.unknown_gaps == 0 and found.gap_bytes > 200_000, found
        stream.close()


def test_a_log_folder_that_cannot_be_written_stops_nothing_and_the_gap_is_counted_exactly():
    box = Equipment()
    site = Site(f'[console.box]\nline = "tcp"\naddress = "{box.address}"\n', start=False)
    with site:
        disk = small_disk(site, "size=3m,ro")
        site.wait_up("box")
        stream = Stream(site.socket)
        channel = stream.attach("box")
        box.say(b"nobody writes this down\r\n")
        stream.wait_output(channel, b"nobody writes this down\r\n")
        trouble = eventually(lambda: site.console("box")["log"]["trouble"], 10, "the log's trouble to be said")
        assert re.search("(?i)read-only", trouble), trouble
        subprocess.run([tool("nsenter", "util-linux"), "-t", str(site.server.pid), "-m",
                        *([] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]),
                        "mount", "-o", "remount,rw", site.log_folder], check=True)
        eventually(lambda: not site.console("box")["log"]["trouble"], 20, "the trouble to be over")
        box.say(b"this is written\r\n")
        stream.wait_output(channel, b"this is written\r\n")
        raw = f"{disk}/box.log"
        eventually(lambda: b"this is written" in open(raw, "rb").read(), 10, "the log to go on")
        pieces = log_reader.read(raw, whole=False)
        assert log_reader.output(pieces) == b"this is written\r\n"
        assert sum(m.gap_bytes for m in log_reader.markers(pieces, "gap")) == len(b"nobody writes this down\r\n"), pieces
        stream.close()
    box.close()
