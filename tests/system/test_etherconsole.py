"""etherconsole lines between network namespaces: agent and nodes are on one Ethernet, whose bridge is another one."""
import hashlib
import hmac
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import threading

import log_reader
from harness import Daemon, Site, eventually, limit, program, tool
from numbered import ends, heard
from terminal import Terminal

KEY = "k" * 32


def ip(*arguments):
    done = subprocess.run([tool("ip", "iproute2"), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


class Ethernet:
    """A bridge in a namespace of its own; each port's other end is in this one (the agent) or in the node's."""

    def __init__(self):
        self.tag = f"{os.getpid() % 100000:05d}"
        self.spaces, self.ports = [], 0
        self.hub = self.space("hub")
        ip("-n", self.hub, "link", "add", "br0", "type", "bridge", "stp_state", "0")
        ip("-n", self.hub, "link", "set", "br0", "up")

    def space(self, name):
        name = f"oobt{self.tag}{name}"
        ip("netns", "add", name)
        self.spaces.append(name)
        return name

    def port(self, mac, space=None):
        """A new interface on this Ethernet; its name."""
        self.ports += 1
        name, other = f"ot{self.tag}a{self.ports}"[:15], f"ot{self.tag}b{self.ports}"[:15]
        ip("link", "add", name, "address", mac, "type", "veth", "peer", "name", other)
        ip("link", "set", other, "netns", self.hub)
        ip("-n", self.hub, "link", "set", other, "master", "br0", "up")
        if space:
            ip("link", "set", name, "netns", space)
            ip("-n", space, "link", "set", name, "up")
        else:
            ip("link", "set", name, "up")
            self.own = getattr(self, "own", []) + [name]
        return name

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for name in getattr(self, "own", []):
            subprocess.run(["ip", "link", "del", name], capture_output=True)
        for name in self.spaces:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def frame(source, number, text, kind=1, session=7, to=b"\xff" * 6, ether_type=0x88B5, tag=b"", peer=0):
    mac = bytes.fromhex(source.replace(":", ""))
    return (to + mac + tag + struct.pack("!HHBBBBHQIQ", ether_type, 0x4F42, 1, kind, 0, 0, len(text), session, number,
                                     peer)
            + text)


def keyed(*arguments, **more):
    bare = bytearray(frame(*arguments, **more))
    bare[18] |= 0x80
    return bytes(bare) + hmac.new(KEY.encode(), bare, hashlib.sha256).digest()[:16]


def raw(interface, ether_type=0x88B5):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ether_type))
    sock.bind((interface, ether_type))
    return sock


def console(name, interface, mac, **more):
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in more.items())
    return f'[console.{name}]\nline = "etherconsole"\ninterface = "{interface}"\nmac = "{mac}"\n{text}'


def logged(site, name):
    return log_reader.output(site.log(name)).decode("utf-8", "replace")


def start_node(site, space, *arguments):
    node = Daemon("node", ["ip", "netns", "exec", space, program("oob-etherconsole"), *arguments], "speaking on")
    site.daemons.append(node)
    node.may_end = node.killed = True  # SIGTERM is its end
    return node


@limit(90)
def test_a_node_without_an_address_is_a_console_both_ways_with_a_key_and_nobody_else_reads_the_answers():
    node_mac, third_mac = "02:00:00:00:00:11", "02:00:00:00:00:33"
    with Ethernet() as ether, Site(interfaces=[ether.port("02:00:00:00:00:01")]) as site:
        space, agent_port, third = ether.space("node"), site.interfaces[0], raw(ether.port(third_mac))
        node_port = ether.port(node_mac, space)
        os.mkdir(f"{site.folder}/inventory.d/secrets", 0o700)
        for path in (f"{site.folder}/inventory.d/secrets/key", f"{site.folder}/key"):
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write(KEY + "\n")
        site.write_inventory(console("web01", agent_port, node_mac, **{"key-file": "secrets/key"}))
        site.apply()
        eventually(lambda: f"waits for {node_mac} on {agent_port}" in site.console("web01")["detail"], 20, "the wait")
        sysrq = f"{site.folder}/sysrq"
        open(sysrq, "w").close()
        options = ("--interface", node_port, "--key-file", f"{site.folder}/key", "--sysrq", sysrq,
                   "--name", "node eleven", "--", "/bin/sh", "-c", "stty -echo; echo login:; exec cat")
        node = start_node(site, space, *options)
        site.wait_up("web01")
        eventually(lambda: "login:\r\n" in logged(site, "web01"), 20, "output")
        site.oob("run", "web01", "--send", "swordfish", "--expect", "swordfish")
        # Broadcasts reach the third port, what was typed does not.
        heard = b""
        while select.select([third], [], [], 0)[0]:
            heard += third.recv(2048)
        assert b"login:" in heard and b"OB\x01\x10" not in heard, heard
        # A break and a letter are SysRq's.
        terminal = Terminal([program("oob"), "attach", "web01"], {"OOB_SOCKET": site.socket})
        terminal.wait(r"\[web01: read-write")
        terminal.type(b"\x05c!")
        terminal.wait("send SysRq: ")
        terminal.type(b"sync\r")
        eventually(lambda: open(sysrq).read() == "s", 20, "the letter")
        terminal.type(b"after it\r")
        terminal.wait("after it")
        terminal.type(b"\x05c.")
        assert terminal.ended() == 0
        terminal.close()
        # What a stranger forges is refused and counted.
        third.send(frame(node_mac, 1000, b"forged", session=2**63))
        eventually(lambda: site.console("web01").get("facts", {}).get("frames-refused") == "1", 20, "the refusal")
        # Ended and started anew, it is the same line, and what was said before cannot be said again.
        node.kill()
        start_node(site, space, *options)
        eventually(lambda: logged(site, "web01").count("login:") == 2, 20, "the node's second session")
        assert "forged" not in logged(site, "web01")
        notes = [note.text for note in log_reader.markers(site.log("web01"), "note")]
        assert "the node's console began anew" in notes, notes
        third.close()


@limit(90)
def test_what_was_recorded_of_an_earlier_start_of_a_node_is_refused_by_an_agent_that_has_seen_a_later_one():
    mac = "02:00:00:00:03:11"
    with Ethernet() as ether, Site(interfaces=[ether.port("02:00:00:00:03:01")]) as site:
        os.mkdir(f"{site.folder}/inventory.d/secrets", 0o700)
        with open(os.open(f"{site.folder}/inventory.d/secrets/key", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(KEY + "\n")
        node = raw(ether.port(mac))
        site.write_inventory(console("web01", site.interfaces[0], mac, **{"key-file": "secrets/key"}))
        site.apply()

        def waits():
            eventually(lambda: "waits for" in site.console("web01")["detail"], 20, "the wait")

        waits()
        node.send(keyed(mac, 1, b"today\r\n", session=200))
        site.wait_up("web01")
        eventually(lambda: "today" in logged(site, "web01"), what="output")
        site.agents["local"].kill()
        site.start_agent("local")
        waits()
        node.send(keyed(mac, 1, b"yesterday\r\n", session=100))  # as recorded then
        node.send(keyed(mac, 2, b"today again\r\n", session=200))
        eventually(lambda: "today again" in logged(site, "web01"), 20, "output")
        assert "yesterday" not in logged(site, "web01")
        eventually(lambda: site.console("web01").get("facts", {}).get("frames-refused") == "1", what="the refusal, counted")
        node.close()


@limit(90)
def test_frames_of_other_vlans_types_and_machines_are_not_the_lines_and_gaps_are_counted():
    mac = "02:00:00:00:01:11"
    with Ethernet() as ether, Site(interfaces=[ether.port("02:00:00:00:01:01")]) as site:
        agent_port, node = site.interfaces[0], raw(ether.port(mac))
        site.write_inventory(console("web01", agent_port, mac, insecure=True)
                             + console("plain", agent_port, mac, insecure=True, plain=True, **{"ether-type": 0x88B6}))
        site.apply()
        site.wait_up("plain")
        eventually(lambda: "waits for" in site.console("web01")["detail"], 20, "the wait")
        node.send(frame(mac, 1, b"one\r\n"))
        node.send(frame(mac, 2, b"wrong type", ether_type=0x88B7))
        node.send(frame(mac, 2, b"wrong vlan", tag=b"\x81\x00\x00\x07"))
        node.send(frame(mac, 2, b"not for us", to=bytes.fromhex("020000000199")))
        node.send(frame("02:00:00:00:01:22", 2, b"another machine"))
        node.send(frame(mac, 2, b"priority\r\n", tag=b"\x81\x00\xe0\x00"))
        node.send(frame(mac, 5, b"five\r\n"))
        node.send(frame(mac, 9, b"", kind=2))  # a hello: the last was 9
        eventually(lambda: site.console("web01").get("facts", {}).get("frames-missing") == "6", 20, "the count")
        assert logged(site, "web01") == "one\r\npriority\r\nfive\r\n"
        gaps = [gap.text for gap in log_reader.markers(site.log("web01"), "gap")]
        assert [re.search(r"(\d+) frame", gap).group(1) for gap in gaps] == ["2", "4"], gaps
        stranger, = eventually(lambda: [row for agent in site.rest("GET", "/v1/agents")["agents"]
                                        for row in agent.get("unknown_senders", [])], 20, "the unknown sender")
        assert stranger["sender"] == "02:00:00:00:01:22"
        simple = raw(node.getsockname()[0], 0x88B6)
        simple.send(b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) + b"\x88\xb6text\nmore" + b"\0" * 30)
        eventually(lambda: logged(site, "plain") == "text\r\nmore", 20, "plain text")
        node.close()
        simple.close()


@limit(60)
def test_a_node_that_begins_anew_without_end_is_told_of_a_few_times_and_counted():
    mac = "02:00:00:00:05:11"
    with Ethernet() as ether, Site(interfaces=[ether.port("02:00:00:00:05:01")]) as site:
        node = raw(ether.port(mac))
        site.write_inventory(console("web01", site.interfaces[0], mac, insecure=True))
        site.apply()
        eventually(lambda: "waits for" in site.console("web01")["detail"], 20, "the wait")
        for session in range(1, 502):
            node.send(frame(mac, 1, b".", session=session))
        eventually(lambda: site.console("web01").get("facts", {}).get("node-restarts") == "500", what="all sessions, counted")
        eventually(lambda: logged(site, "web01") == "." * 501, what="what they said")
        assert len(log_reader.markers(site.log("web01"), "note")) < 50
        node.close()


@limit(60)
def test_what_is_typed_to_a_program_that_reads_late_is_typed_once():
    node_mac, own = "02:00:00:00:04:11", "02:00:00:00:04:01"
    with Ethernet() as ether, Site(start=False) as site:
        space, agent = ether.space("node"), raw(ether.port(own))
        agent.settimeout(0.2)
        heard, go = f"{site.folder}/heard", f"{site.folder}/go"
        os.mkfifo(go)
        start_node(site, space, "--interface", ether.port(node_mac, space), "--", "/bin/sh", "-c",
                   f"stty raw -echo; echo ready; read line < {go}; exec cat > {heard}")
        said = b""
        while b"ready" not in said:
            said = agent.recv(2048)
        session, node = said[22:30], said[6:12]

        def confirmed(number, text, tries):
            for _ in range(tries):
                agent.send(frame(own, number, text, kind=16, to=node)[:34] + session + text)
                try:
                    got = b""
                    while got[17:18] != b"\x03" or got[30:34] != struct.pack("!I", number):
                        got = agent.recv(2048)
                    return True
                except TimeoutError:
                    pass
            return False

        texts = [b"%06d|" % number * 100 for number in range(200)]
        first = next(i for i, text in enumerate(texts) if not confirmed(i + 1, text, 2))
        with open(go, "w") as file:
            file.write("\n")
        for i, text in enumerate(texts[first:first + 3]):
            assert confirmed(first + i + 1, text, 20), i
        typed = b"".join(texts[:first + 3])
        eventually(lambda: os.path.getsize(heard) >= len(typed), what="all that was typed")
        assert open(heard, "rb").read() == typed
        agent.close()


def watch(site, *arguments):
    """`oob ether watch`: the process, and what it has printed so far."""
    out = open(f"{site.folder}/watch{len(os.listdir(site.folder))}", "w+")
    process = subprocess.Popen([program("oob"), "ether", "watch", *arguments], stdout=out, stderr=subprocess.STDOUT,
                               env={**os.environ, "OOB_SOCKET": site.socket})

    def printed():
        with open(out.name) as file:
            return file.read()
    return process, printed


@limit(60)
def test_ctrl_alt_del_starts_the_program_of_the_nodes_admin_and_not_again_at_once():
    mac, ours = "02:00:00:00:05:11", "02:00:00:00:05:22"
    with Ethernet() as ether, Site(start=False) as site:
        space, agent = ether.space("node"), raw(ether.port(ours))
        done, restart = f"{site.folder}/done", f"{site.folder}/restart"
        with open(restart, "w") as file:
            file.write(f"#!/bin/sh\necho $# >> {done}\n")
        os.chmod(restart, 0o755)
        port = ether.port(mac, space)
        node = start_node(site, space, "--interface", port, "--ctrl-alt-del", restart, "--", "/bin/cat")
        while True:
            hello = agent.recv(2048)
            if hello[14:18] == b"OB\x01\x02":
                break
        session = struct.unpack("!Q", hello[22:30])[0]
        for number in (1, 1, 2):
            agent.send(frame(ours, number, b"", kind=19, to=bytes.fromhex(mac.replace(":", "")), peer=session))
        node.wait_log("Ctrl-Alt-Del was ignored: the last one was less than 5 s ago")
        assert len(node.find_log("Ctrl-Alt-Del starts")) == 1, node.lines
        eventually(lambda: os.path.exists(done) and open(done).read() == "0\n", 10, "the program")
        wrong = subprocess.run([program("oob-etherconsole"), "--interface", "lo", "--ctrl-alt-del", "reboot", "--", "true"],
                               capture_output=True, text=True)
        assert wrong.returncode == 2 and "absolute path" in wrong.stderr, wrong
        agent.close()


@limit(90)
def test_who_speaks_on_an_ethernet_is_watched_and_a_stranger_is_adopted_by_the_lines_shown():
    known_mac, strange_mac = "02:00:00:00:04:11", "02:00:00:00:04:22"
    with Ethernet() as ether, Site(interfaces=[ether.port("02:00:00:00:04:01")]) as site:
        agent_port, known, strange = site.interfaces[0], ether.space("known"), ether.space("strange")
        nodes = {space: ("--interface", ether.port(mac, space), "--name", name, "--", "/bin/sh", "-c",
                         f"stty -echo; echo '{name} boots'; printf 'login: '; exec cat")
                 for space, mac, name in ((known, known_mac, "here\\d"), (strange, strange_mac, "web09"))}
        first = console("web01", agent_port, known_mac, insecure=True)
        site.write_inventory(first)
        site.apply()
        eventually(lambda: "waits for" in site.console("web01")["detail"], 20, "the wait")
        process, printed = watch(site)
        rows, printed_rows = watch(site, "-o", "json", "--mac", "02:00:00:00:04:2")
        eventually(lambda: any("watch" in row.get("tool", "") for row in site.rest("GET", "/v1/sessions")["sessions"]), 20,
                   "the watch")
        start_node(site, known, *nodes[known])
        eventually(lambda: re.search(r"^[0-9:]{8} web01: here\\d boots\n[0-9:]{8} web01: login: \n", printed(), re.M), 20,
                   "the known node's lines")
        assert ", here\\d\n" in site.oob("info", "web01").stdout  # escaped once at most: where it is shown
        start_node(site, strange, *nodes[strange])
        who = re.escape(f"{strange_mac} (local {agent_port}, calls itself \"web09\"): ")
        eventually(lambda: re.search(f"^[0-9:]{{8}} {who}login:$", printed(), re.M), 20, "the stranger's")
        info = site.oob("agent", "info", "local").stdout
        assert re.search(f"unknown sender:  {strange_mac} on etherconsole {agent_port}, .*\"web09\": login:", info), info
        shown, = {row["adopt"] for row in map(json.loads, printed_rows().splitlines()) if "adopt" in row}
        assert "\n".join("    " + line for line in shown.splitlines()) in printed(), printed()
        site.write_inventory(first + shown)
        site.apply()
        site.wait_up("web09")
        site.oob("run", "web09", "--send", "swordfish", "--expect", "swordfish")
        eventually(lambda: re.search(r"^[0-9:]{8} web09: (login: )?swordfish$", printed(), re.M), 20, "its lines under its name")
        eventually(lambda: any(row.get("console") == "web09" and row["text"].endswith("swordfish") and row["mac"] == strange_mac
                               for row in map(json.loads, printed_rows().splitlines())), 20, "as JSON")
        assert "web01" not in printed_rows() and printed().count("[console.") == 1, printed()
        before = len(printed())
        site.oob("run", "web01", "--send", "anchovy", "--expect", "anchovy")
        eventually(lambda: "web01: anchovy" in printed()[before:], 20, "the other's lines")
        assert strange_mac not in printed()[before:]
        # A server that was killed is waited for, and nothing is shown twice.
        site.server.kill()
        eventually(lambda: "; trying again]" in printed(), 20, "that it is away")
        site.start_server()
        site.wait_up("web01")
        site.oob("run", "web01", "--send", "mackerel", "--expect", "mackerel")
        eventually(lambda: "web01: mackerel" in printed(), 20, "what came after it")
        assert printed().count("anchovy") == 1 and printed().count("[console.") == 1, printed()
        eventually(lambda: any("(watch)" in m.text for m in log_reader.markers(site.log("web01"), "attach")), 20, "attached")
        for one in (process, rows):
            one.send_signal(signal.SIGINT)
            assert one.wait() == -signal.SIGINT
        left, = eventually(lambda: [event.text for event in log_reader.markers(site.log("web01"), "detach")
                                    if "(watch)" in event.text], 20, "that it left")
        assert "lost" not in left, left


@limit(90)
def test_a_paste_that_the_nodes_program_stops_reading_has_no_hole_and_its_typist_is_told():
    node_mac = "02:00:00:00:06:11"
    with Ethernet() as ether, Site(interfaces=[ether.port("02:00:00:00:06:01")]) as site:
        space = ether.space("node")
        site.write_inventory(console("web01", site.interfaces[0], node_mac, insecure=True))
        site.apply()
        heard, go = f"{site.folder}/heard", f"{site.folder}/go"
        os.mkfifo(go)
        start_node(site, space, "--interface", ether.port(node_mac, space), "--", "/bin/sh", "-c",
                   f"stty raw -echo; echo ready; read line < {go}; exec cat > {heard}")
        site.wait_up("web01")
        paste = b"".join(b"%06d|" % number for number in range(10_000))
        done = subprocess.run([program("oob"), "attach", "web01"], input=paste, capture_output=True, timeout=60,
                              env={**os.environ, "OOB_SOCKET": site.socket})
        assert done.returncode == 6, done
        assert b"may have arrived" in done.stderr, done.stderr
        with open(go, "w") as file:
            file.write("\n")
        # Who has been told types anew; that is all that comes.
        again = subprocess.run([program("oob"), "attach", "web01"], input=b"typed after", capture_output=True, timeout=60,
                               env={**os.environ, "OOB_SOCKET": site.socket})
        assert again.returncode == 0, again
        eventually(lambda: b"typed after" in open(heard, "rb").read(), 20, "what was typed anew")
        got = open(heard, "rb").read()
        before, after = got[:got.index(b"typed after")], got[got.index(b"typed after"):]
        assert paste.startswith(before) and after == b"typed after", (before[-40:], after[:40])
        assert "the node did not confirm what was typed; it may not have arrived" in [
            note.text for note in log_reader.markers(site.log("web01"), "note")]


@limit(240)
def test_many_nodes_that_boot_at_once_are_heard_whole_or_what_is_missing_is_counted():
    nodes, lines = (64, 10_000) if os.environ.get("OOB_FULL") else (16, 1500)
    macs = {f"m{n}": f"02:00:00:00:02:{n:02x}" for n in range(1, nodes + 1)}
    with Ethernet() as ether, Site(interfaces=[ether.port("02:00:00:00:03:01")]) as site:
        agent_port, far = site.interfaces[0], ether.port("02:00:00:00:03:02")
        site.write_inventory("".join(console(name, agent_port, mac, insecure=True) for name, mac in macs.items()))
        site.apply()
        for name in macs:
            eventually(lambda: "waits for" in site.console(name)["detail"], 20, "the wait")

        def boot(mac):
            sender = raw(far)
            for number in range(1, lines + 1):
                while True:
                    try:
                        sender.send(frame(mac, number, b"line %d of a boot that says much of each device\r\n" % number))
                        break
                    except OSError:  # the interface's queue is full
                        select.select([], [sender], [], 1)
            sender.close()

        threads = [threading.Thread(target=boot, args=(mac,)) for mac in macs.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sender, missing = raw(far), 0
        for name, mac in macs.items():
            # One more, until it is heard: it closes the count.
            last = frame(mac, lines + 1, b"the end\r\n")
            eventually(lambda: ends(site, name) or not sender.send(last), 60, f"the end of {name}")
            # Many gaps are told as one sum, a second later at most.
            eventually(lambda: sum(heard(site, name, "frame")) == lines, 20, f"all of {name}")
            missing += heard(site, name, "frame")[1]
        sender.close()
        print(f"{nodes} nodes, {lines} lines each: {missing} missing, all counted")
