"""A real machine behind a BMC that is not ours: a guest under QEMU as ipmi_sim's chassis, its ttyS0 by serial over LAN. Boot
is seen, keys and SysRq arrive, power cycles and other clients come and go."""
import os
import re
import subprocess
import tempfile

import log_reader
from bmc import SimBmc, SolSite, answers, ipmitool, ipmitool_console, sol_console, writer_of
from harness import ROOT, SLOW, eventually, free_port, limit, tool, wait_listening

ROUNDS = int(os.environ.get("OOB_SOL_ROUNDS", 2))


class Machine(SimBmc):
    """A BMC with a guest machine; its power is off at first. The machine starts when ipmi_sim listens to its serial line,
    which that tries every ten seconds: a quick machine would have said everything by then."""

    def __init__(self):
        self.disk = tempfile.mkdtemp(prefix="oobm.", dir="/tmp")
        made = subprocess.run([f"{ROOT}/packaging/make-guest", f"{self.disk}/disk"], check=True, text=True, capture_output=True,
                              timeout=60 * SLOW)
        qemu, line, serial = tool("qemu-system-x86_64", "qemu-system-x86"), free_port(), free_port()
        super().__init__(f"telnet:127.0.0.1:{line}", serial=serial, start=(
            f"{qemu} -accel tcg -m 256 -display none -nodefaults -no-reboot -monitor none -kernel {made.stdout.strip()} "
            f"-initrd {self.disk}/disk -append 'console=ttyS0,115200 loglevel=6 sysrq_always_enabled' "
            f"-chardev socket,id=ipmi0,host=127.0.0.1,port={serial},reconnect=10 -device ipmi-bmc-extern,id=bmc0,chardev=ipmi0 "
            f"-device isa-ipmi-kcs,bmc=bmc0 -serial telnet:127.0.0.1:{line},server=on,wait=on"))

    def close(self):
        super().close()
        subprocess.run(["rm", "-rf", self.disk], check=False)


def output(site, name):
    return log_reader.output(log_reader.read(site.log_path(name), whole=False))


def wait_said(site, name, pattern, since=0, timeout_s=250):
    try:
        eventually(lambda: re.search(pattern, output(site, name)[since:]), timeout_s, f"{pattern!r} on {name}")
    except AssertionError as error:
        raise AssertionError(f"{error}; the end is {output(site, name)[-300:]!r}") from None


@limit(600)
def test_a_machine_boots_hears_keys_and_sysrq_and_is_power_cycled_behind_our_back():
    with Machine() as bmc, SolSite(sol_console("m", bmc)) as site:
        site.wait_up("m")
        ipmitool(bmc, "chassis", "power", "on")
        wait_said(site, "m", rb"Linux version")
        wait_said(site, "m", rb"login: ")
        stream, channel = writer_of(site, "m")
        stream.type(channel, b"root\r")
        stream.wait_output(channel, b"# ", 30 * SLOW)
        stream.type(channel, b"echo all-$((6*7))\r")
        stream.wait_output(channel, b"all-42", 30 * SLOW)
        # SysRq: a break, and its letter
        begin = len(channel.output)
        channel.sequence += 1
        stream.send_json({"type": "sysrq", "channel": channel.number, "seat": channel.seat, "sequence": channel.sequence,
                          "key": "h"})
        channel.sequence += 1
        stream.wait_output(channel, b"sysrq: HELP", 30 * SLOW, begin)
        # The power goes and comes back; the console stays.
        before = len(output(site, "m"))
        ipmitool(bmc, "chassis", "power", "cycle")
        wait_said(site, "m", rb"Linux version", before)
        wait_said(site, "m", rb"login: ", before)
        begin = len(channel.output)
        stream.type(channel, b"root\r")
        stream.wait_output(channel, b"# ", 60 * SLOW, begin)
        stream.close()


def echo_peer():
    """What is behind ipmi_sim's serial line: an echo that speaks telnet as little as `tcp:` does. It listens already: ipmi_sim
    dials once, tries again after ten seconds, and takes what is typed meanwhile for nobody."""
    port = free_port()
    peer = subprocess.Popen([tool("socat", "socat"), f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork",
                             "EXEC:/bin/cat,pty,raw,echo=0"], stderr=subprocess.DEVNULL)
    wait_listening(port)
    return port, peer


@limit(180 + 40 * ROUNDS)
def test_another_client_takes_the_console_of_ipmi_sim_or_dies_with_it_and_ours_comes_back():
    port, peer = echo_peer()
    try:
        with SimBmc(f"tcp:127.0.0.1:{port}") as bmc, SolSite(sol_console("e", bmc)) as site:
            site.wait_up("e")
            # ipmi_sim takes a session's first packet of input for a repeat if the one before ended with the same number.
            answers(site, "e", b"at first")
            for number in range(ROUNDS):
                ipmitool(bmc, "sol", "deactivate")
                try:
                    thief = ipmitool_console(bmc)
                except AssertionError:
                    thief = None  # ours was back before it came
                if thief:
                    eventually(lambda: site.console("e")["state"] != "up", 40, "our loss to be noticed")
                    thief.process.kill()  # without a word: its session stays open at the BMC
                    thief.close()
                    ipmitool(bmc, "sol", "deactivate", check=False)
                site.wait_up("e", timeout_s=60)
                eventually(lambda: site.console("e")["state"] == "up", 60)
                answers(site, "e", b"round %d" % number)
    finally:
        peer.kill()
        peer.wait()


@limit(200)
def test_a_bmc_that_dies_and_starts_again_has_its_console_back():
    port, peer = echo_peer()
    try:
        with SimBmc(f"tcp:127.0.0.1:{port}") as bmc, SolSite(sol_console("e", bmc)) as site:
            site.wait_up("e")
            bmc.kill()
            eventually(lambda: site.console("e")["state"] != "up", 40, "its death to be noticed")
            bmc.run()
            site.wait_up("e", timeout_s=60)
            eventually(lambda: site.console("e")["state"] == "up", 60)
    finally:
        peer.kill()
        peer.wait()
