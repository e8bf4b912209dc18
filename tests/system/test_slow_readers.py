"""A reader that stops reading slows nobody down: the log is complete, others see and type as ever, oobd's memory is
bounded, and the reader is told what it missed."""
import os
import signal
import subprocess
import time

import log_reader
from harness import FAST, SANITIZED, Site, alone, eventually, limit, program
from stream import Stream

STOPPED_S = 15 if FAST or SANITIZED else 60
LINES_PER_S = 5000 if SANITIZED else 50_000  # of 80 bytes: 4 MB/s
MEMORY_KB_MAX = 48 * 1024


def echo_ms(stream, channel, number):
    keys = b"<%d>" % number
    began = time.monotonic()
    begin = len(channel.output)
    stream.type(channel, keys)
    stream.wait_output(channel, keys, begin=begin)
    return (time.monotonic() - began) * 1000


@alone
@limit(STOPPED_S + 110)
def test_a_reader_stopped_for_a_minute_under_full_load_harms_nobody_and_is_told_its_gap():
    text = (f'[agent.rack1]\n[console.load]\nline = "test"\nagent = "rack1"\nrate = {LINES_PER_S}\n'
            '[console.echo]\nline = "test"\nagent = "rack1"\n')
    with Site(text, agents=["rack1"], local=False) as site:
        site.wait_up("load", "echo")
        site.wait_logged("load", 1)
        environment = {**os.environ, "OOB_SOCKET": site.socket}
        client = subprocess.Popen([program("oob"), "attach", "-r", "load"], stdin=subprocess.PIPE, env=environment,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        idle = Stream(site.socket)        # says hello and never reads again
        idle.attach("load")
        reader, typist = Stream(site.socket), Stream(site.socket)
        watched, typed = reader.attach("load"), typist.attach("echo", write=True)
        eventually(lambda: site.console("load")["readers"] >= 3, 10, "three readers")
        reader.pump(None, 1)
        before = site.server.memory_kb()
        client.send_signal(signal.SIGSTOP)

        began, echoes, most = time.monotonic(), [], 0
        while time.monotonic() < began + STOPPED_S:
            echoes.append(echo_ms(typist, typed, len(echoes)))
            reader.pump(None, 0.1)
            watched.output.clear()  # the class has checked that it is without hole or repeat
            most = max(most, site.server.memory_kb())
        # This process reads for both, and on a busy machine late now and then; a stopped one would lose nearly all.
        said = STOPPED_S * LINES_PER_S * 80
        assert watched.skipped < said / 20, f"a healthy reader lost {watched.skipped} of {said} bytes"
        assert most - before < MEMORY_KB_MAX * (4 if SANITIZED else 1), f"memory grew by {most - before} KiB"
        echoes.sort()
        print(f"echo ms: p50 {echoes[len(echoes) // 2]:.1f}, p99 {echoes[int(len(echoes) * .99)]:.1f}; "
              f"memory grew by {most - before} KiB")
        assert SANITIZED or echoes[int(len(echoes) * .99)] < 150, f"echo p99 {echoes[int(len(echoes) * .99)]:.0f} ms"

        client.send_signal(signal.SIGCONT)
        told = []
        eventually(lambda: told.append(client.stderr.readline()) or b"skipped" in told[-1] or b"too slow" in told[-1]
                   or b"missed" in told[-1], 20, f"the stopped client to be told of its gap: {told}")
        client.terminate()
        client.wait(10)
        silent = idle.channels[1]
        idle.wait(silent, "lagged", 20)
        idle.pump(lambda: silent.next and silent.next > silent.live_from + silent.skipped, 20, "live output again")
        assert silent.skipped > 0
        end = site.console("load")["log"]["end"]
        for stream in (idle, reader, typist):
            stream.close()
        site.server.stop()
        found = log_reader.check_numbered(site.log("load"))
        assert (found.runs, found.gap_bytes, found.unknown_gaps) == (1, 0, 0), found
        assert found.lines * 80 >= end - 80
        assert found.lines > STOPPED_S * LINES_PER_S * 0.8, f"the line itself was slowed: {found}"


@limit(60)
def test_readers_that_die_without_a_word_leave_nothing_behind():
    with Site('[console.n]\nline = "test"\nrate = 1000\n') as site:
        site.wait_up("n")
        for _ in range(50):
            stream = Stream(site.socket)
            stream.attach("n", write=True)
            stream.socket.close()
        eventually(lambda: all("kept_until" in one for one in site.console("n")["sessions"]), 10, "all sessions to be gone")
        assert len(site.console("n")["sessions"]) <= 1, "one seat is kept, of the first"
        # The seat is kept for the same user for a while, not for ever, and never against force.
        stream = Stream(site.socket)
        channel = stream.attach("n", write=True, force=True)
        assert channel.messages[0]["mode"] == "writer"
        stream.close()
