"""Input is never late and never astray: a device that records what it receives is the witness, and the typist is told."""
import signal
import time

from harness import Equipment, Site, eventually
from proxy import TcpProxy
from stream import Stream


class Typing:
    """A site with two recording devices behind a relay, and a stream that is the writer on both."""

    def __init__(self):
        self.box, self.other = Equipment(), Equipment()
        self.site = Site("[agent.rack1]\n" + "".join(
            f'[console.{name}]\nline = "tcp"\nagent = "rack1"\naddress = "{box.address}"\n'
            for name, box in (("box", self.box), ("other", self.other))), local=False)
        self.proxy = None

    def __enter__(self):
        try:
            self.site.enrol("rack1")
            self.proxy = TcpProxy(("127.0.0.1", self.site.port))
            self.agent = self.site.start_agent("rack1", server=f"127.0.0.1:{self.proxy.port}")
            self.site.wait_up("box", "other")
            self.stream = Stream(self.site.socket)
            self.channel = self.stream.attach("box", write=True)
            assert self.channel.messages[0]["mode"] == "writer", self.channel.messages
        except BaseException:
            self.site.close(failed=True)
            raise
        return self

    def __exit__(self, kind, error, trace):
        self.site.__exit__(kind, error, trace)
        self.proxy.close()
        self.box.close()
        self.other.close()

    def arrives(self, keys):
        fate = self.stream.fate(self.channel, self.stream.type(self.channel, keys))
        assert "refused" not in fate and fate["written"] == len(keys), fate
        self.box.wait_received(keys)

    def refused(self, sequence, timeout_s=20):
        fate = self.stream.fate(self.channel, sequence, timeout_s)
        assert fate.get("refused"), f"the typist was told it was written: {fate}"
        assert fate["written"] == 0, fate
        return fate["refused"]


def test_keys_arrive_once_and_in_order():
    with Typing() as t:
        for number in range(500):
            t.stream.type(t.channel, b"key %03d;" % number)
        t.stream.fate(t.channel, 500)
        t.box.wait_received(b"key 499;")
        assert bytes(t.box.received) == b"".join(b"key %03d;" % number for number in range(500))
        assert not t.other.received


def test_keys_typed_into_a_silent_tunnel_never_arrive_after_2_s_and_the_typist_is_told():
    with Typing() as t:
        t.arrives(b"before;")
        t.proxy.silence()
        sequence = t.stream.type(t.channel, b"rm -rf /;")
        t.stream.pump(None, 3)  # longer than the 2 s that keys may take
        t.proxy.resume(drop=False)
        t.refused(sequence, 30)
        t.site.wait_up("box", timeout_s=40)
        t.arrives(b"after;")
        assert bytes(t.box.received) == b"before;after;", t.box.received


def test_keys_typed_while_the_tunnel_is_cut_never_arrive():
    with Typing() as t:
        t.proxy.cut(accept=False)
        eventually(lambda: t.site.console("box")["state"] == "no-agent")
        t.refused(t.stream.type(t.channel, b"lost;"))
        t.proxy.resume()
        t.site.wait_up("box", timeout_s=40)
        t.arrives(b"after;")
        assert bytes(t.box.received) == b"after;", t.box.received


def stopped(t, daemon):
    daemon.signal(signal.SIGSTOP)
    sequence = t.stream.type(t.channel, b"late;")
    time.sleep(3)  # longer than the 2 s that keys may take
    daemon.signal(signal.SIGCONT)
    t.refused(sequence)
    t.stream.pump(None, 0.6)  # a tick, so that the clock is known again
    t.arrives(b"after;")
    assert bytes(t.box.received) == b"after;", t.box.received


def test_keys_that_a_stopped_server_gets_late_never_arrive():
    with Typing() as t:
        stopped(t, t.site.server)


def test_keys_that_a_stopped_agent_gets_late_never_arrive():
    with Typing() as t:
        stopped(t, t.agent)


def test_keys_older_than_2_s_are_refused_whatever_the_client_claims():
    with Typing() as t:
        t.refused(t.stream.type(t.channel, b"old;", age_ms=2500))
        # A deadline far ahead does not help: the tunnel is silent for longer than 2 s.
        t.proxy.silence()
        sequence = t.stream.type(t.channel, b"claimed young;", age_ms=-3_600_000)
        t.stream.pump(None, 3)
        t.proxy.resume(drop=False)
        t.refused(sequence, 30)
        t.site.wait_up("box", timeout_s=40)
        t.arrives(b"after;")
        assert bytes(t.box.received) == b"after;", t.box.received


def test_keys_typed_while_the_line_is_down_never_arrive():
    with Typing() as t:
        t.box.listener.close()
        t.box.hang_up()
        t.stream.wait(t.channel, "down")
        assert t.refused(t.stream.type(t.channel, b"down;"))
        assert not t.box.received


def test_keys_with_the_seat_of_before_a_take_over_never_arrive():
    with Typing() as t:
        t.arrives(b"mine;")
        thief = Stream(t.site.socket)
        taken = thief.attach("box", write=True, force=True)
        assert taken.messages[0]["mode"] == "writer", taken.messages
        t.stream.wait(t.channel, "reader")
        assert taken.seat != t.channel.messages[0]["seat"]
        t.refused(t.stream.type(t.channel, b"astray;", seat=t.channel.messages[0]["seat"]))
        t.refused(t.stream.type(t.channel, b"forged;", seat=taken.seat))
        thief.fate(taken, thief.type(taken, b"theirs;"))
        t.box.wait_received(b"theirs;")
        assert bytes(t.box.received) == b"mine;theirs;", t.box.received
        thief.close()


def test_keys_with_the_seat_of_another_console_never_arrive():
    with Typing() as t:
        first = t.channel.seat
        second = t.stream.attach("other", write=True)
        assert second.seat != first
        sequence = t.stream.type(second, b"meant for box;", seat=first)
        assert t.stream.fate(second, sequence).get("refused")
        t.stream.fate(second, t.stream.type(second, b"for other;"))
        t.other.wait_received(b"for other;")
        assert bytes(t.other.received) == b"for other;" and not t.box.received


def test_a_batch_sent_twice_arrives_once():
    with Typing() as t:
        t.arrives(b"once;")
        t.stream.type(t.channel, b"once;", sequence=1)
        t.channel.sequence = 1
        t.arrives(b"next;")
        assert bytes(t.box.received) == b"once;next;", t.box.received


def test_a_reader_types_nothing():
    with Typing() as t:
        stream = Stream(t.site.socket)
        reader = stream.attach("box", write=True)  # somebody writes already
        assert reader.messages[0]["mode"] == "reader", reader.messages
        sequence = stream.type(reader, b"from a reader;")
        assert stream.fate(reader, sequence).get("refused")
        t.arrives(b"from the writer;")
        assert bytes(t.box.received) == b"from the writer;"
        stream.close()
