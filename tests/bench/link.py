"""A bad link between two rooms: two network namespaces, each with a tun device, and between them a rate, a delay and a
router's queue for packets, the same in both directions. usage: link.py NAME BITS_PER_SECOND DELAY_MS: makes the
namespaces NAME-site (10.77.0.2) and NAME-centre (10.77.0.1), prints `ready`, and removes them at the end of its standard
input. Needs root. (netem would do this better; not every kernel has it.)"""
import collections
import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time

QUEUE_BYTES_MAX = 64 * 1024  # half a second at 1 Mbit/s; then packets are dropped, as routers do
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
CLONE_NEWNET = 0x40000000
ADDRESSES = {"site": "10.77.0.2", "centre": "10.77.0.1"}


def run(*argv):
    subprocess.run(argv, check=True)


def make_end(name, room):
    """A namespace with loopback and a tun device; the tun's descriptor."""
    space = f"{name}-{room}"
    run("ip", "netns", "add", space)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{space}", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.setns(there, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"wan", IFF_TUN | IFF_NO_PI))
    assert libc.setns(home, CLONE_NEWNET) == 0
    other = ADDRESSES["centre" if room == "site" else "site"]
    for command in ("ip link set lo up", f"ip addr add {ADDRESSES[room]} peer {other} dev wan", "ip link set dev wan up"):
        run("ip", "netns", "exec", space, *command.split())
    return tun


class Direction:
    def __init__(self, source, sink, bits_per_second, delay_ms):
        self.source, self.sink = source, sink
        self.bytes_per_s, self.delay_s = bits_per_second / 8, delay_ms / 1000
        self.packets = collections.deque()  # (arrives at, packet)
        self.free_at = 0.0

    def take(self, now):
        while True:
            try:
                packet = os.read(self.source, 65536)
            except BlockingIOError:
                return
            if (self.free_at - now) * self.bytes_per_s > QUEUE_BYTES_MAX:
                continue  # dropped
            self.free_at = max(self.free_at, now) + len(packet) / self.bytes_per_s
            self.packets.append((self.free_at + self.delay_s, packet))

    def deliver(self, now):
        while self.packets and self.packets[0][0] <= now:
            os.write(self.sink, self.packets.popleft()[1])


def main():
    name, rate, delay_ms = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    try:
        site, centre = make_end(name, "site"), make_end(name, "centre")
        ways = [Direction(site, centre, rate, delay_ms), Direction(centre, site, rate, delay_ms)]
        print("ready", flush=True)
        while True:
            due = [way.packets[0][0] for way in ways if way.packets]
            wait = max(0.0, min(due) - time.monotonic()) if due else 1.0
            ready, _, _ = select.select([site, centre, sys.stdin], [], [], wait)
            if sys.stdin in ready:
                return
            now = time.monotonic()
            for way in ways:
                way.take(now)
                way.deliver(now)
    finally:
        for room in ADDRESSES:
            subprocess.run(["ip", "netns", "del", f"{name}-{room}"], check=False, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
