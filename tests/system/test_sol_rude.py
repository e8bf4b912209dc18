"""Serial over LAN with BMCs that send nonsense, lose, repeat and refuse: what is typed arrives once and in order, what the
host says is in the log once and in order, and what is lost has a marker where it was."""
import hashlib
import os
import re
import socket
import threading

import log_reader
from bmc import RudeBmc, SolSite, UdpRelay, answers, check_said, sol_console, type_all, writer_of
from harness import eventually, limit

# What a BMC may do and our console has to stand without a loss. Keys that are not acknowledged within 2 s are given up: the
# rates are such that this does not come about by chance.
STOOD = ("fault repeat 0.5", "fault noise 0.5", "fault oversize 0.07", "fault cut 0.07", "fault wrong-session 0.07",
         "fault wrong-sequence 0.07", "fault wrong-hmac 0.07", "fault no-suite-list", "fault no-payload-support",
         "fault odd-payload-size", "fault zero-privilege", "fault repeat-sol 0.5", "fault nack 0.1", "fault partial 0.5",
         "fault no-ack 0.07", "fault no-sol 0.07", "fault unavailable 0.1", "fault unanswered 0.2", "fault strict-window",
         "slow 0.3", "sol-size 8", "sol-size 250", "code 6 4a c1", "code 6 4b c1", "code 6 3d c1")


@limit(200)
def test_input_and_echo_are_whole_in_spite_of_each_fault():
    with RudeBmc(len(STOOD)) as bmc:
        names = [f"c{which}" for which in range(len(STOOD))]
        for which, order in enumerate(STOOD):
            bmc.order(order, which)
        with SolSite("".join(sol_console(name, bmc, which) for which, name in enumerate(names))) as site:
            text = b"".join(b"<%04d>" % number for number in range(100))
            faults = []

            def one(which, name):
                try:
                    bmc.wait_ours(which, 60)
                    site.wait_up(name, timeout_s=60)
                    stream, channel = writer_of(site, name)
                    type_all(stream, channel, text, at_once=40)
                    stream.close()
                    eventually(lambda: text in log_reader.output(log_reader.read(site.log_path(name), whole=False)), 30,
                               f"the whole echo in the log of {name}")
                    state = bmc.state(which)
                    assert state["host"]["input_tail"].endswith(text.decode()), state["host"]["input_tail"]
                    assert state["host"]["input_bytes"] == len(text), "nothing was typed twice"
                    assert not log_reader.markers(site.log(name), "gap")
                except Exception as error:  # noqa: BLE001 - told below, for all of them
                    faults.append(f"{STOOD[which]}: {type(error).__name__}: {str(error)[:600]}\n  {bmc.order('state', which)[:900]}")
            threads = [threading.Thread(target=one, args=(which, name)) for which, name in enumerate(names)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not faults, "\n".join(faults)


@limit(200)
def test_what_a_host_says_is_whole_or_has_a_marker_where_it_is_not():
    cases = (("nothing", 0), ("repeat", 0.5), ("repeat-sol", 0.5), ("no-sol", 0.2), ("wrong-hmac", 0.2), ("wrong-sequence", 0.2),
             ("cut", 0.2), ("overrun", 0.1))
    with RudeBmc(len(cases)) as bmc:
        names = [f"n{which}" for which in range(len(cases))]
        with SolSite("".join(sol_console(name, bmc, which) for which, name in enumerate(names))) as site:
            for which, (fault, rate) in enumerate(cases):
                bmc.wait_ours(which)
                site.wait_up(names[which])
                if rate:
                    bmc.order(f"fault {fault} {rate}", which)
                bmc.order("host lines 40 400", which)
            for which, (fault, _) in enumerate(cases):
                bmc.wait(lambda state: state["host"]["lines"] >= 400, which, 60, "400 lines")
                bmc.order(f"fault {fault} 0" if fault != "nothing" else "state", which)
                site.wait_logged(names[which], 400, 60) if fault != "overrun" else None
                pieces = site.log(names[which])
                lost = bmc.state(which)["sol"]["lost_bytes"]
                if fault == "overrun":  # the packet that tells of it has what came before and after in one
                    numbers = [int(number) for number in re.findall(rb"b\d{4} (\d{12}) ", log_reader.output(pieces))]
                    assert numbers == sorted(set(numbers)) and lost, (numbers, lost)
                    assert len(numbers) * 80 + lost == 400 * 80 and log_reader.markers(pieces, "gap"), (numbers, lost)
                else:
                    assert check_said(pieces, f"b{which:04}") == (400 * 80, 0), (fault, lost)


def test_a_network_that_loses_everything_for_seconds_is_a_marked_gap_and_no_lost_line():
    with RudeBmc() as bmc, SolSite(sol_console("c", bmc)) as site:
        bmc.wait_ours()
        session = bmc.state()["sol"]["session"]
        bmc.order("host lines 50 1000")
        site.wait_logged("c", 100)
        bmc.order("silent 6")  # longer than its seven repeats: what it said meanwhile is gone
        site.wait_logged("c", 1000, 60)
        seen, gaps = check_said(site.log("c"), "b0000")
        lost = bmc.state()["sol"]["lost_bytes"]
        assert bmc.state()["sol"]["session"] == session, "the session lived through it"
        # What the BMC gave up may have come, if only the acknowledgement was lost: a packet at most.
        assert seen <= 80000 <= seen + lost <= 80000 + 255 and (gaps > 0) == (seen < 80000), (seen, lost, gaps)


def test_a_break_of_the_host_is_noted_and_an_ipv6_network_is_one_too():
    with RudeBmc() as bmc:
        relay = UdpRelay(bmc.where(), listen=("::1", 0))

        class Behind:
            where = staticmethod(lambda _=0: ("[::1]", relay.port))
        with SolSite(sol_console("c", Behind)) as site:
            site.wait_up("c")
            answers(site, "c")
            bmc.order("break")
            site.wait_noted("c", "break received")
        relay.close()


def missing(whole, part):
    """How many bytes of the whole are not in the part, which has to be the whole but for pieces left out."""
    at = end = 0
    while end < len(part):
        while end < len(part) and at < len(whole) and whole[at] == part[end]:
            at, end = at + 1, end + 1
        if end < len(part):
            again = whole.find(part[end:end + 16], at)
            assert again >= 0, f"byte {end}: {bytes(part[end:end + 16])!r} was not typed, or not there"
            at = again
    return len(whole) - len(part)


class TcpHost:
    """What is behind the BMC's serial line: says a megabyte, and takes one."""

    def __init__(self):
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        self.received = bytearray()
        threading.Thread(target=self._serve, daemon=True).start()
        self.connected = threading.Event()

    def _serve(self):
        self.peer, _ = self.door.accept()
        self.connected.set()
        while got := self.peer.recv(65536):
            self.received += got

    def close(self):
        self.peer.close()
        self.door.close()


@limit(400)
def test_a_megabyte_each_way_is_whole_at_2_percent_loss_doubling_and_reordering():
    size = int(os.environ.get("OOB_SOL_BYTES", 1_000_000))
    with RudeBmc() as bmc:
        relay = UdpRelay(bmc.where(), loss=0.02, double=0.02, reorder=0.02, seed=3)

        class Behind:
            where = staticmethod(lambda _=0: (relay.address, relay.port))
        host = TcpHost()
        with SolSite(sol_console("c", Behind)) as site:
            bmc.wait_ours()
            site.wait_up("c")
            bmc.order(f"host tcp 127.0.0.1:{host.port}")
            host.connected.wait(10)
            said, typed = (re.sub(rb"[\x1e]", b"-", os.urandom(size)) for _ in range(2))
            threading.Thread(target=host.peer.sendall, args=(said,), daemon=True).start()
            stream, channel = writer_of(site, "c")
            type_all(stream, channel, typed)
            stream.close()
            given_up = sum(int(marker.text.split()[0]) for marker in log_reader.markers(log_reader.read(site.log_path("c"), whole=False))
                           if "may not have arrived" in marker.text)  # about one run in a hundred
            eventually(lambda: len(host.received) >= size - given_up, 60, "all that was typed at the host")
            assert missing(typed, host.received) <= given_up

            def heard():
                return log_reader.output(log_reader.read(site.log_path("c"), whole=False))
            eventually(lambda: len(heard()) >= size, 120, "all that the host said in the log")
            assert hashlib.sha256(heard()).digest() == hashlib.sha256(said).digest()
            assert not log_reader.markers(site.log("c"), "gap")
            assert relay.lost > 100 and relay.doubled > 100 and relay.held > 100
            print(f"relay: {relay.passed} passed, {relay.lost} lost, {relay.doubled} doubled, {relay.held} held back")
        relay.close()
        host.close()
