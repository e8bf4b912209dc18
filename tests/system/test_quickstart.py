"""packaging/quickstart, without a terminal and in a folder of its own, on programs that are built already: up, repeated
without harm, stopped by pid."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

from harness import BIN, ROOT, SLOW, eventually, limit
from terminal import Terminal


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Checkout:
    """What quickstart needs of a checkout; its build folder is the one under test."""

    def __init__(self, folder):
        self.root = folder
        os.makedirs(f"{folder}/packaging")
        os.makedirs(f"{folder}/build")
        for name in ("quickstart", "install-packages", "build-needs", "guest-needs", "make-guest"):
            shutil.copy(f"{ROOT}/packaging/{name}", f"{folder}/packaging/{name}")
        os.symlink(os.path.dirname(BIN), f"{folder}/build/release")

    def run(self, *arguments):
        return subprocess.run([f"{self.root}/packaging/quickstart", *arguments], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=100 * SLOW)

    def pids(self):
        folder = f"{self.root}/build/quickstart/run"
        return {name: int(open(f"{folder}/{name}").read().split()[0]) for name in os.listdir(folder)
                if name.endswith(".pid")}

    def oob(self, command):
        return subprocess.run(["bash", "-c", f'. "$0" && oob {command}', f"{self.root}/build/quickstart/env"], text=True,
                              capture_output=True, timeout=30 * SLOW)


def check(folder):
    checkout = Checkout(folder)
    try:
        first = checkout.run()
        assert first.returncode == 0, first.stdout + first.stderr
        assert "oob attach shell" in first.stdout, first.stdout
        pids = checkout.pids()
        assert len(pids) == 3
        began = time.monotonic()
        second = checkout.run()
        assert second.returncode == 0, second.stdout + second.stderr
        assert time.monotonic() - began < 10 * SLOW
        assert checkout.pids() == pids, "a second run started something anew"
        listed = checkout.oob("ls")
        assert listed.returncode == 0 and len(re.findall(r"^(?:shell2?|demo)\s+up", listed.stdout, re.M)) == 3, listed
        terminal = Terminal([f"{folder}/packaging/quickstart"], {})  # at a terminal it attaches
        terminal.wait(r"\[shell: read-write", timeout_s=30)
        terminal.type(b"echo $((40 + 2))\n")
        terminal.wait("42")
        terminal.type(b"\x05c.")
        assert terminal.ended() == 0 and terminal.restored()
        terminal.close()
        os.kill(pids["agent-rack1.pid"], 9)
        third = checkout.run()
        assert third.returncode == 0, third.stdout + third.stderr
        now = checkout.pids()
        assert now["oobd.pid"] == pids["oobd.pid"] and now["agent-rack1.pid"] != pids["agent-rack1.pid"]
    finally:
        stopped = checkout.run("--stop")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert not checkout.pids()
    for pid in now.values():
        assert not runs(pid), f"{pid} still runs"
    assert checkout.run("--stop").returncode == 0
    return checkout


@limit(150)
def test_quickstart_starts_repeats_and_stops():
    with tempfile.TemporaryDirectory(prefix="oobq.") as folder:
        os.chmod(folder, 0o755)
        check(f"{folder}/checkout")


@limit(150)
def test_quickstart_works_below_a_long_path_and_with_a_space_in_it():
    with tempfile.TemporaryDirectory(prefix="oobq.") as folder:
        os.chmod(folder, 0o755)
        deep = f"{folder}/a folder/" + "/".join(["deep" * 10] * 3)
        check(deep)


@limit(200)
def test_quickstart_guest_shows_a_real_boot_and_a_login():
    with tempfile.TemporaryDirectory(prefix="oobq.") as folder:
        os.chmod(folder, 0o755)
        checkout = Checkout(f"{folder}/a checkout")
        try:
            assert checkout.run().returncode == 0  # what runs already learns of the guest
            terminal = Terminal([f"{checkout.root}/packaging/quickstart", "--guest"], {})
            terminal.wait(r"\[guest: read-write", timeout_s=60)
            terminal.wait("guest login: ", timeout_s=90)
            terminal.type(b"root\n")
            terminal.wait("# ", timeout_s=20)
            terminal.type(b"uname -s; echo $((40 + 2))\n")
            terminal.wait("Linux.*42", timeout_s=20)
            terminal.type(b"\x05c.")
            assert terminal.ended() == 0 and terminal.restored()
            terminal.close()
            log = checkout.oob("log guest -n 5000")
            assert log.stdout.count("Linux version") == 1 and "guest login: root" in log.stdout, log.stdout[-2000:]
            pids = checkout.pids()
            qemu = json.loads(checkout.oob("info guest -o json").stdout)["pid"]
            again = checkout.run("--guest")
            assert again.returncode == 0 and "oob attach guest" in again.stdout, again.stdout + again.stderr
            assert checkout.pids() == pids, "a second run started something anew"
        finally:
            stopped = checkout.run("--stop")
        assert stopped.returncode == 0, stopped.stdout + stopped.stderr
        for pid in [*pids.values(), qemu]:
            eventually(lambda: not runs(pid), 10, f"the end of {pid}")


def test_stop_never_ends_a_process_that_took_over_an_old_number():
    with tempfile.TemporaryDirectory(prefix="oobq.") as folder:
        checkout = Checkout(f"{folder}/checkout")
        run = f"{checkout.root}/build/quickstart/run"
        os.makedirs(run)
        bystander = subprocess.Popen(["sleep", "60"])
        with open(f"{run}/oobd.pid", "w") as file:
            file.write(f"{bystander.pid} 12345 {open('/proc/sys/kernel/random/boot_id').read()}")
        assert checkout.run("--stop").returncode == 0
        assert bystander.poll() is None, "a stranger was killed"
        bystander.kill()
        bystander.wait()
