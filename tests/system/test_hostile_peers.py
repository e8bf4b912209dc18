"""Nonsense at every door, before and after login: the connection is closed, it is said once, and those who work are
not disturbed. Random input is seeded; the seed is printed."""
import os
import random
import socket
import ssl
import struct
import time

import log_reader
from harness import SLOW, Site, eventually, limit
from stream import Stream, StreamClosed

ECHO = ('[agent.rack1]\n[console.echo]\nline = "test"\nagent = "rack1"\n'
        '[console.load]\nline = "test"\nagent = "rack1"\nrate = 1000\n')


def seeded():
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    return random.Random(seed)


class Working:
    """Proves that others work: one writer's echo, through the same server and agent."""

    def __init__(self, site):
        self.stream = Stream(site.socket)
        self.channel = self.stream.attach("echo", write=True)
        self.number = 0

    def still(self):
        self.number += 1
        keys = b"<still %d>" % self.number
        begin = len(self.channel.output)
        self.stream.type(self.channel, keys)
        self.stream.wait_output(self.channel, keys, 3 * SLOW, begin)


def dial(site):
    end = socket.create_connection(("127.0.0.1", site.port), 5)
    end.settimeout(15 * SLOW)
    return end


def closes(end):
    """Waits until the other side closes; what it said before."""
    said = b""
    try:
        while True:
            got = end.recv(65536)
            if not got:
                return said
            said += got
    except ConnectionError:
        return said
    finally:
        end.close()


def client_hello(alpn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    outgoing = ssl.MemoryBIO()
    engine = context.wrap_bio(ssl.MemoryBIO(), outgoing)
    try:
        engine.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def tls(site, alpn, certificate=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    if certificate:
        context.load_cert_chain(f"{certificate}/agent.pem", f"{certificate}/agent.key")
    return context.wrap_socket(dial(site))


def test_random_and_truncated_bytes_at_the_agents_port_are_closed_and_said_once():
    random_bytes = seeded()
    with Site(ECHO, agents=["rack1"], local=False) as site:
        site.wait_up("echo")
        working, mark = Working(site), site.server.mark()
        hello = client_hello("oob/1")
        for number in range(150):
            end = dial(site)
            kind = number % 3
            if kind == 0:
                data = random_bytes.randbytes(random_bytes.randrange(1, 5000))
            elif kind == 1:
                data = hello[:random_bytes.randrange(1, len(hello))]
            else:
                data = bytearray(hello)
                data[random_bytes.randrange(5, len(data))] ^= 1 << random_bytes.randrange(8)
            try:
                end.sendall(bytes(data))
                end.shutdown(socket.SHUT_WR)
            except ConnectionError:
                pass
            closes(end)
            if number % 30 == 0:
                working.still()
        lines = site.server.lines[mark:]
        assert len(lines) <= 20, f"150 bad connections gave {len(lines)} log lines: {lines[:10]}"
        assert lines, "nothing was said"
        working.still()


def test_a_connection_that_says_nothing_is_closed_and_does_not_keep_agents_out():
    with Site(ECHO, agents=["rack1"], local=False) as site:
        site.wait_up("echo")
        silent = [dial(site) for _ in range(200)]  # more than may log in at once
        site.agents["rack1"].kill()
        began = time.monotonic()
        site.start_agent("rack1", wait=False).wait_log("agent: connected", timeout_s=45)
        assert time.monotonic() - began < 40 * SLOW
        for end in silent:
            closes(end)
        site.wait_up("echo")
        Working(site).still()


def test_without_a_certificate_nobody_gets_past_tls_and_join_frames_have_a_limit():
    random_bytes = seeded()
    with Site(ECHO, agents=["rack1"], local=False) as site:
        site.wait_up("echo")
        working = Working(site)
        end = tls(site, "oob/1")  # TLS 1.3: the refusal comes after the handshake seems done
        try:
            end.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert closes(end) == b""
        except (ConnectionError, ssl.SSLError):
            pass
        for frame in (struct.pack("!I", 0xFFFFFFFF), struct.pack("!I", 1 << 20) + bytes(20000), struct.pack("!I", 0),
                      struct.pack("!I", 100) + random_bytes.randbytes(100), random_bytes.randbytes(3)):
            end = tls(site, "oob-join/1")
            try:
                end.sendall(frame)
                end.unwrap() if len(frame) < 4 else None
                assert len(closes(end)) < 2000
            except (ConnectionError, ssl.SSLError, OSError):
                end.close()
        working.still()


@limit(100)
def test_frames_after_login_that_are_nonsense_end_that_connection_only():
    random_bytes = seeded()
    with Site(ECHO + "[agent.evil]\n", agents=["rack1"], local=False) as site:
        site.enrol("evil")
        site.wait_up("echo")
        working, folder, mark = Working(site), f"{site.folder}/agents/evil", site.server.mark()
        settings = b"\0\0\0\x04\0\0\0\0\0"
        too_long = b"\xff\xff\xff\0\0\0\0\0\x01" + bytes(20000)
        for number in range(60):
            end = tls(site, "oob/1", folder)
            data = {0: random_bytes.randbytes(random_bytes.randrange(1, 30000)),
                    1: settings + random_bytes.randbytes(random_bytes.randrange(9, 30000)),
                    2: settings + too_long,
                    3: settings + b"\0\0\x04\x08\0\0\0\0\x07" + b"\x7f\xff\xff\xff"}[number % 4]
            try:
                end.sendall(data)
                if number % 4 == 3:
                    end.unwrap()  # says goodbye in mid-conversation
                else:
                    closes(end)
            except (ConnectionError, ssl.SSLError, OSError):
                end.close()
            if number % 20 == 0:
                working.still()
        said = [line for line in site.server.lines[mark:] if "evil" in line]
        assert said and len(said) < 40, f"{len(said)} lines: {said[:5]}"
        working.still()


@limit(90)
def test_a_client_that_floods_or_talks_nonsense_is_bounded_and_disturbs_nobody():
    random_bytes = seeded()
    with Site(ECHO, agents=["rack1"], local=False) as site:
        site.wait_up("echo", "load")
        working, before = Working(site), site.server.memory_kb()
        for _ in range(50):  # no HTTP at all
            end = socket.socket(socket.AF_UNIX)
            end.settimeout(40 * SLOW)
            end.connect(site.socket)
            try:
                end.sendall(random_bytes.randbytes(random_bytes.randrange(1, 40000)) + b"\r\n\r\n")
                end.shutdown(socket.SHUT_WR)
            except (ConnectionError, TimeoutError):
                pass
            closes(end)
        working.still()
        flooding = Stream(site.socket)  # asks and asks, and reads nothing
        flooding.attach("load")
        flooding.socket.settimeout(0.5)
        sent = 0
        try:
            for number in range(200_000):
                flooding.send_json({"type": "attach", "channel": number + 2, "console": "load", "lines": 1000})
                sent += 1
        except (TimeoutError, OSError):
            pass  # not taken any more, or closed: both bound it
        working.still()
        typing = Stream(site.socket)    # types without end, and reads nothing
        channel = typing.attach("load", write=True)
        typing.socket.settimeout(0.5)
        try:
            for _ in range(5000):
                typing.type(channel, bytes(16000))
        except (TimeoutError, OSError):
            pass
        working.still()
        for frame in (b"\x82\xff" + b"\xff" * 8 + bytes(4), b"\xc1\x80" + bytes(4), b"\x01\x05hello"):
            broken = Stream(site.socket)
            try:
                broken.socket.sendall(frame)
                broken.pump(None, 5)
                raise AssertionError(f"a broken frame was taken: {frame[:8]!r}")
            except (StreamClosed, OSError):
                pass
            broken.close()
        working.still()
        grown = site.server.memory_kb() - before
        assert grown < 64 * 1024 * (4 if SLOW > 1 else 1), f"memory grew by {grown} KiB, {sent} requests taken"
        flooding.close()
        typing.close()
        eventually(lambda: site.console("load")["readers"] == 0, 20, "the flooder's sessions to be gone")
        working.still()


def test_a_stranger_may_do_nothing():
    if os.geteuid() != 0:
        raise AssertionError("this test has to become another user: run it as root")
    with Site(ECHO, agents=["rack1"], local=False) as site:
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)  # nobody
            refused = site.rest("GET", "/v1/consoles", status=None)
            os._exit(0 if refused.get("error", {}).get("code") == "denied" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "nobody was let in"


def test_costly_names_are_limited_for_a_user_over_all_their_connections():
    consoles = "".join(f'[console.{"n" * 40}{i:02}]\nline = "test"\nagent = "rack1"\n' for i in range(40))
    with Site("[agent.rack1]\n" + consoles, local=False) as site:
        costly = ",".join(["*" + "n" * 58 + "*"] * 200)
        answers = [site.rest("GET", f"/v1/consoles?names=nnnn*,{costly}", status=None) for _ in range(40)]
        assert "consoles" in answers[0], answers[0]
        assert answers[-1].get("error", {}).get("code") == "conflict", "each came over a connection of its own"
        site.oob("ls")  # without NAMES it costs nothing
        eventually(lambda: site.oob("ls", "nnn*", check=False).returncode == 0, 10, "to be let in again")


def test_floods_of_messages_and_pings_over_one_connection_are_bounded():
    with Site('[console.a]\nline = "test"\nagent = "local"\n') as site:
        site.wait_up("a")
        flood = Stream(site.socket)
        channel = flood.attach("a")
        for _ in range(3000):
            flood.send_json({"type": "message", "channel": channel.number, "text": "x" * 500})
        flood.pump(lambda: any("too many requests" in message.get("text", "") for message in channel.messages), 10,
                   "to be told")
        flood.close()
        said = sum(marker.event == "note" for marker in log_reader.markers(log_reader.read(site.log_path("a"), whole=False)))
        assert said < 400, f"{said} messages of 3000 are in the log"
        before = site.server.memory_kb()
        pings = Stream(site.socket)
        pings.socket.settimeout(2)
        try:
            for _ in range(200_000):
                pings.send_frame(9, b"x" * 100)
        except OSError:
            pass  # cut off, or not read any more
        assert site.server.memory_kb() - before < 16 * 1024, "pings that are answered to nobody fill the memory"
        pings.close()
