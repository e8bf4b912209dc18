"""The equipment of the soak: a process with one TCP port for each console. Each connection is a *run*: lines of 80 bytes,
numbered from 1, `NAME.RRRR NNNNNNNNNNNN ....`, at a rate that changes: mostly slow, now and then silent or a flood. It
counts what the kernel took from it, and is asked for the counts at the end."""
import json
import random
import select
import socket
import sys
import time

LINE_BYTES = 80
FLOOD_BYTES_MAX = 200_000


def run_bytes(name, run, begin, length):
    """`length` bytes of a run from byte `begin` on."""
    first = begin // LINE_BYTES
    count = (begin + length) // LINE_BYTES - first + 1
    text = b"".join((b"%s.%04d %012d " % (name, run, number)).ljust(LINE_BYTES - 2, b".") + b"\r\n"
                    for number in range(first + 1, first + count + 1))
    return text[begin - first * LINE_BYTES:begin - first * LINE_BYTES + length]


class Port:
    def __init__(self, name):
        self.name = name.encode()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.peer = None
        self.sent = []         # bytes of each run; the last is the present one
        self.want = 0          # bytes of this run that are due
        self.next_at = 0.0

    def connected(self):
        if self.peer:
            self.hang_up()
        self.peer, _ = self.listener.accept()
        self.peer.setblocking(False)
        self.sent.append(0)
        self.want = 0

    def hang_up(self):
        self.peer.close()
        self.peer = None

    def schedule(self, now, moments, lines_a_second):
        kind = moments.random()
        if kind < 0.002:
            self.want += moments.randrange(FLOOD_BYTES_MAX)
        elif kind < 0.01:
            self.next_at = now + moments.uniform(5, 60)  # silent
            return
        self.want += LINE_BYTES * moments.randrange(1, 4) - moments.choice((0, 0, 17))  # also half lines
        self.next_at = now + moments.expovariate(lines_a_second / 2)

    def send(self):
        """False: the peer is gone."""
        run = len(self.sent)
        while self.sent[-1] < self.want:
            try:
                length = min(self.want - self.sent[-1], 32768)
                self.sent[-1] += self.peer.send(run_bytes(self.name, run, self.sent[-1], length))
            except BlockingIOError:
                return True
            except OSError:
                return False
        return True


def main():
    names, lines_a_second, seed = sys.argv[3:], float(sys.argv[1]), int(sys.argv[2])
    moments = random.Random(seed)
    ports = [Port(name) for name in names]
    print(json.dumps([port.listener.getsockname()[1] for port in ports]), flush=True)
    poll = select.epoll()
    by_listener = {port.listener.fileno(): port for port in ports}
    by_peer = {}
    for fd in by_listener:
        poll.register(fd, select.EPOLLIN)
    poll.register(0, select.EPOLLIN)
    talking = True
    while True:
        for fd, _ in poll.poll(0.02):
            if fd == 0:  # "stop", then "count"
                order = sys.stdin.readline().strip()
                if order == "count":
                    print(json.dumps({port.name.decode(): port.sent for port in ports}), flush=True)
                elif not order:
                    return
                talking = talking and order != "stop"
            elif fd in by_listener:
                port = by_listener[fd]
                if port.peer:
                    poll.unregister(port.peer.fileno())
                    del by_peer[port.peer.fileno()]
                port.connected()
                by_peer[port.peer.fileno()] = port
                poll.register(port.peer.fileno(), select.EPOLLIN)
            else:
                port = by_peer.get(fd)
                if not port:
                    continue
                try:
                    gone = not port.peer.recv(65536)
                except BlockingIOError:
                    gone = False
                except OSError:
                    gone = True
                if gone:
                    poll.unregister(fd)
                    del by_peer[fd]
                    port.hang_up()
        now = time.monotonic()
        for port in ports:
            if port.peer is None:
                continue
            if talking and now >= port.next_at:
                port.schedule(now, moments, lines_a_second)
            if port.sent[-1] < port.want and not port.send():
                fd = port.peer.fileno()
                poll.unregister(fd)
                del by_peer[fd]
                port.hang_up()


if __name__ == "__main__":
    main()
