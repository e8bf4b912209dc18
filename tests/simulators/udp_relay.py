#!/usr/bin/python3
"""A UDP relay that mistreats datagrams both ways, by a seed: loses, doubles, reorders and delays them. As a library:
UdpRelay. usage: udp_relay.py TARGET:PORT [--listen ADDRESS[:PORT]] [--loss R] [--double R] [--reorder R] [--delay S] [--seed N]
R: a share, 0 .. 1. Prints `ready ADDRESS PORT` and ends with its standard input."""
import argparse
import heapq
import itertools
import random
import selectors
import socket
import sys
import threading
import time

REORDER_S = 0.02  # one that is held back comes so much later at most


class UdpRelay:
    """Each client gets a socket of its own towards the target. The rates may be changed at any time."""

    def __init__(self, target, listen=("127.0.0.1", 0), loss=0.0, double=0.0, reorder=0.0, delay_s=0.0, seed=1):
        self.target, self.loss, self.double, self.reorder, self.delay_s = target, loss, double, reorder, delay_s
        self.silent = False        # True: nothing passes at all
        self.dice = random.Random(seed)
        self.passed = self.lost = self.doubled = self.held = 0
        self.door = socket.socket(socket.AF_INET6 if ":" in listen[0] else socket.AF_INET, socket.SOCK_DGRAM)
        self.door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.door.bind(listen)
        self.address, self.port = self.door.getsockname()[:2]
        self.upstream = {}         # client's address -> its socket
        self.later, self.number = [], itertools.count()
        self.wake_r, self.wake_w = socket.socketpair()
        self.watched = selectors.DefaultSelector()
        self.watched.register(self.door, selectors.EVENT_READ)
        self.watched.register(self.wake_r, selectors.EVENT_READ)
        self.running = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self):
        self.running = False
        self.wake_w.send(b"x")
        self.thread.join(5)
        for end in [self.door, self.wake_r, self.wake_w, *self.upstream.values()]:
            end.close()

    def _pass(self, datagram, end, to):
        if self.silent or self.dice.random() < self.loss:
            self.lost += 1
            return
        times = 2 if self.dice.random() < self.double else 1
        self.doubled += times - 1
        for _ in range(times):
            held = self.dice.random() < self.reorder
            self.held += held
            wait_s = self.delay_s + (self.dice.uniform(0.001, REORDER_S) if held else 0)
            if wait_s:
                heapq.heappush(self.later, (time.monotonic() + wait_s, next(self.number), datagram, end, to))
            else:
                self._send(datagram, end, to)

    def _send(self, datagram, end, to):
        self.passed += 1
        try:
            end.sendto(datagram, to)
        except OSError:
            pass  # nobody there: as on a real network

    def _from_client(self):
        datagram, client = self.door.recvfrom(65536)
        end = self.upstream.get(client)
        if end is None:
            end = self.upstream[client] = socket.socket(
                socket.AF_INET6 if ":" in self.target[0] else socket.AF_INET, socket.SOCK_DGRAM)
            end.bind(("::1" if ":" in self.target[0] else "127.0.0.1", 0))
            self.watched.register(end, selectors.EVENT_READ, client)
        self._pass(datagram, end, self.target)

    def _run(self):
        while self.running:
            now = time.monotonic()
            while self.later and self.later[0][0] <= now:
                self._send(*heapq.heappop(self.later)[2:])
            wait_s = max(0, self.later[0][0] - now) if self.later else None
            for key, _ in self.watched.select(wait_s):
                try:
                    if key.fileobj is self.wake_r:
                        self.wake_r.recv(64)
                    elif key.fileobj is self.door:
                        self._from_client()
                    else:
                        self._pass(key.fileobj.recv(65536), self.door, key.data)
                except ConnectionRefusedError:
                    pass  # the target's port is closed


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("target")
    arguments.add_argument("--listen", default="127.0.0.1:0")
    for name in ("loss", "double", "reorder", "delay"):
        arguments.add_argument(f"--{name}", type=float, default=0)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    address, _, port = given.target.rpartition(":")
    listen_address, _, listen_port = given.listen.rpartition(":") if ":" in given.listen else (given.listen, "", "0")
    relay = UdpRelay((address, int(port)), (listen_address, int(listen_port)), given.loss, given.double, given.reorder,
                     given.delay, given.seed)
    print(f"ready {relay.address} {relay.port}", flush=True)
    sys.stdin.read()
    relay.close()


if __name__ == "__main__":
    main()
