"""Lines of kind ssh against OpenSSH's sshd: logins, host keys, old algorithms, breaks, devices that misbehave; consoles of
console servers by profile. As root, since the device has users of its own (sshd.py)."""
import hashlib
import os
import re
import socket
import subprocess
import threading
import time

import paramiko

from harness import Equipment, Site, eventually, free_port, limit, program
from sshd import PASSWORD, Sshd, played
from terminal import Terminal


def put_secret(site, name, text):
    os.makedirs(f"{site.folder}/inventory.d/secrets", exist_ok=True)
    path = f"{site.folder}/inventory.d/secrets/{name}"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def console(name, address, more=""):
    return (f'[console.{name}]\nline = "ssh"\naddress = "{address}"\nuser = "oob"\npassword-file = "secrets/{name}"\n{more}')


def site_with(inventory, names=("web01",), password=PASSWORD):
    """names: of the files with secrets; a dictionary tells what they hold."""
    site = Site(start=False)
    try:
        for name in names:
            put_secret(site, name, names[name] if isinstance(names, dict) else password + "\n")
        site.write_inventory(inventory)
        site.start_server()
        site.start_agent("local")
    except BaseException:
        site.close(failed=True)
        raise
    return site


def detail(site, name, part, timeout_s=20):
    """Waits until the line is down with this in its reason."""
    def look():
        now = site.console(name)
        return now["state"] != "up" and part in now.get("detail", "") and now["detail"]
    return eventually(look, timeout_s, f"{part!r} as the reason of {name} (is {site.console(name).get('detail')!r})")


def again(site, name):
    site.rest("POST", f"/v1/consoles/{name}/down")
    site.rest("POST", f"/v1/consoles/{name}/up")


class Slammed:
    """A device that closes each connection at once, and counts them."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.times = []

    @property
    def count(self):
        return len(self.times)

    def _serve(self):
        while True:
            try:
                self.listener.accept()[0].close()
            except OSError:
                return
            self.times.append(time.monotonic())

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()


def attached(site, name):
    terminal = Terminal([program("oob"), "attach", name], {"OOB_SOCKET": site.socket})
    terminal.wait(r"\[%s: " % name)
    eventually(terminal.is_raw, 5, "raw mode")
    return terminal


def logged(site, name, text):
    return text in site.oob("log", name, "--raw").stdout


def test_a_bmc_is_led_to_its_console_by_its_profile_and_gets_keys_and_breaks():
    with Sshd(played("ilo")) as bmc, site_with(console("web01", bmc.address, 'profile = "ilo"\n')) as site:
        site.wait_up("web01")
        eventually(lambda: logged(site, "web01", "web01 login: "), what="the console's first words")
        text = site.oob("log", "web01", "--raw").stdout
        assert "hpiLO" not in text and "vsp" not in text, text
        terminal = attached(site, "web01")
        terminal.type(b"root\r")
        terminal.wait("got b'")
        terminal.type(b"\x05cl0")
        terminal.wait("break sent")
        terminal.wait(r"\\x1b\\x02")
        terminal.close()
        shown = site.oob("info", "web01").stdout
        assert bmc.fingerprint() in shown and "algorithms" in shown, shown


def test_every_profile_that_has_a_login_leads_to_its_console():
    # One after the other: a device each, whose menu is played behind a real sshd.
    for profile, more in (("idrac", ""), ("alom", ""), ("ilom", ""), ("supermicro", ""), ("raritan-sx", "port = 7\n")):
        with Sshd(played(profile)) as device:
            with site_with(console("web01", device.address, f'profile = "{profile}"\n{more}')) as site:
                site.wait_up("web01")
                terminal = attached(site, "web01")
                terminal.type(b"x")
                terminal.wait("got b'x'")
                terminal.close()


def test_a_key_lets_in_as_well():
    with Sshd(options="PasswordAuthentication no\nKbdInteractiveAuthentication no\n") as device:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{device.folder}/id"], check=True)
        os.rename(f"{device.folder}/id.pub", f"{device.folder}/keys")
        with open(f"{device.folder}/id") as file:
            key = file.read()
        inventory = (f'[console.web01]\nline = "ssh"\naddress = "{device.address}"\nuser = "oob"\nkey-file = "secrets/web01"\n'
                     + console("other", device.address))
        with site_with(inventory, {"other": PASSWORD + "\n", "web01": key}) as site:
            site.wait_up("web01")
            assert "in by publickey; what the line has is not for that" in detail(site, "other", "the device lets user")


def test_a_password_is_also_the_answer_to_a_question():
    # PAM with its standard file for sshd: keyboard-interactive.
    options = "UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes\n"
    with Sshd(options=options) as device, site_with(console("web01", device.address)) as site:
        site.wait_up("web01")


def test_a_wrong_password_is_shown_once_and_then_the_line_rests():
    with Sshd() as device:
        other = Slammed()
        with other, site_with(console("web01", device.address) + f'[console.other]\nline = "tcp"\naddress = "{other.address}"\n',
                              password="wrong-canary-41") as site:
            why = detail(site, "web01", "the device refused user \"oob\" with this password")
            assert "10 minutes" in why and "^Eco" in why, why
            agent = site.agents["local"]
            eventually(lambda: other.count >= 5, 20, "five tries of a line that does not rest")
            assert device.logins() == (0, 1), device.daemon.lines
            again(site, "web01")  # somebody's order
            eventually(lambda: device.logins() == (0, 2), what="one more try")
            put_secret(site, "web01", PASSWORD)
            again(site, "web01")
            site.wait_up("web01")
            shown = agent.lines + site.server.lines + [site.oob("info", "web01").stdout]
            assert not [line for line in shown if "wrong-canary-41" in line]


@limit(60)
def test_a_device_that_hangs_up_on_a_wrong_password_is_not_shown_it_again_and_costs_nothing():
    with Sshd(options="MaxAuthTries 1\n") as device:
        with site_with(console("web01", device.address), password="wrong\n") as site:
            why = detail(site, "web01", "the connection broke while logging in")
            assert "10 minutes" in why, why
            assert device.logins() == (0, 1), device.daemon.lines


def test_no_secret_is_in_any_file_or_argument():
    with Sshd() as device, site_with(console("web01", device.address)) as site:
        site.wait_up("web01")
        for folder, _, files in os.walk(site.folder):
            for name in files:
                path = os.path.join(folder, name)
                if "/secrets/" not in path and os.path.isfile(path):
                    with open(path, "rb") as file:
                        assert PASSWORD.encode() not in file.read(), path
        for daemon in site.daemons:
            with open(f"/proc/{daemon.pid}/cmdline") as file:
                assert PASSWORD not in file.read()
            assert not [line for line in daemon.lines if PASSWORD in line]


def test_another_host_key_than_the_one_in_the_inventory_is_never_shown_the_password():
    with Sshd() as device:
        wrong = "SHA256:" + "A" * 43
        with site_with(console("web01", device.address, f'host-key = "{wrong}"\n')) as site:
            why = detail(site, "web01", "shows another host key than host-key says")
            assert device.fingerprint() in why, why
            assert device.logins() == (0, 0) and not device.daemon.find_log("Failed|Postponed"), device.daemon.lines
            site.write_inventory(console("web01", device.address, f'host-key = ["{wrong}", "{device.fingerprint()}"]\n'))
            site.apply()
            site.wait_up("web01")


def test_a_host_key_is_believed_on_first_use_and_another_one_is_refused_even_after_kill_9():
    with Sshd() as device, site_with(console("web01", device.address)) as site:
        site.wait_up("web01")
        first = device.fingerprint()
        eventually(lambda: [mark for mark in site.log("web01") if first in getattr(mark, "text", "")], what="the note in the log")
        site.agents["local"].kill()
        device.new_host_key()
        device.restart()
        site.start_agent("local")
        why = detail(site, "web01", "another host key than it did first")
        assert first in why and device.fingerprint() in why and 'write host-key = "' in why, why
        assert device.logins() == (0, 0), device.daemon.lines
        site.write_inventory(console("web01", device.address, f'host-key = "{device.fingerprint()}"\n'))
        site.apply()
        site.wait_up("web01")


def test_old_algorithms_only_by_name_and_only_for_that_line():
    options = ("KexAlgorithms diffie-hellman-group1-sha1\nHostKeyAlgorithms ssh-rsa\nCiphers 3des-cbc\nMACs hmac-sha1\n")
    old = 'old-algorithms = ["diffie-hellman-group1-sha1", "ssh-rsa", "3des-cbc", "hmac-sha1"]\n'
    with Sshd(options=options, key_types=("rsa",)) as device:
        inventory = console("web01", device.address, old) + console("other", device.address)
        with site_with(inventory, ("web01", "other")) as site:
            site.wait_up("web01")
            assert "old-algorithms = [..]" in detail(site, "other", "key exchange failed")
            shown = site.oob("info", "web01").stdout
            assert "diffie-hellman-group1-sha1, 3des-cbc" in shown and "allowed on this line" in shown, shown


def test_ten_megabytes_come_whole_while_another_line_of_the_agent_is_typed_on():
    flood = "/usr/bin/seq -f 'flood %012g ........................................' 1 150000"
    with Sshd(f"sh -c \"{flood}; exec cat\"") as device, Sshd("/bin/cat") as quiet:
        inventory = console("web01", device.address) + console("web02", quiet.address)
        with site_with(inventory, ("web01", "web02")) as site:
            site.wait_up("web02")
            terminal = attached(site, "web02")
            terminal.type(b"hello\r")
            terminal.wait("hello")
            terminal.close()
            eventually(lambda: "flood 000000150000 " in site.oob("log", "web01", "-n", "2", "--raw").stdout, 60, "its last line")
            text = site.oob("log", "web01", "--raw", timeout_s=60).stdout
            numbers = re.findall(r"flood (\d{12}) ", text)
            assert [int(n) for n in numbers] == list(range(int(numbers[0]), 150001)), len(numbers)


def test_what_is_typed_arrives_whole_at_a_device_that_reads_late():
    text = "".join(f"{n:015d}\n" for n in range(20000))
    command = f"sh -c 'stty raw -echo; echo ready; sleep 1; head -c {len(text)} | md5sum; exec cat'"
    with Sshd(command) as device, site_with(console("web01", device.address)) as site:
        site.wait_up("web01")
        eventually(lambda: logged(site, "web01", "ready"), what="a terminal that changes nothing")
        done = site.oob("attach", "web01", text=text, check=False, timeout_s=60)
        assert "dropped" not in done.stderr, done.stderr
        digest = hashlib.md5(text.encode()).hexdigest()
        eventually(lambda: logged(site, "web01", digest), what="the digest of what arrived")


def test_a_device_that_closes_at_once_is_tried_less_and_less_and_told_once():
    with Slammed() as device, site_with(console("web01", device.address)) as site:
        eventually(lambda: device.count >= 4, 20, "four tries")
        times = device.times[:4]
        assert times[3] - times[2] > times[1] - times[0], times
        told = site.agents["local"].find_log("console=web01.*reason=.*the SSH key exchange failed")
        assert len(told) == 1, told


@limit(90)
def test_a_device_that_accepts_and_says_nothing_is_given_up_after_half_a_minute():
    device = Equipment()
    with site_with(console("web01", device.address)) as site:
        detail(site, "web01", "did not answer within 30 s, while waiting for its SSH greeting", 60)
    device.close()


@limit(60)
def test_a_device_that_asks_without_end_is_given_up():
    class Curious(paramiko.ServerInterface):
        def get_allowed_auths(self, username):
            return "keyboard-interactive"

        def check_auth_interactive(self, username, submethods):
            return paramiko.InteractiveQuery("", "", ("more?", True))

        def check_auth_interactive_response(self, responses):
            return paramiko.InteractiveQuery("", "", ("more?", True))

    def serve(listener, key):
        while True:
            try:
                transport = paramiko.Transport(listener.accept()[0])
            except OSError:
                return
            transport.add_server_key(key)
            transport.start_server(server=Curious())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, paramiko.ECDSAKey.generate()), daemon=True).start()
        with site_with(console("web01", "127.0.0.1:%d" % listener.getsockname()[1])) as site:
            detail(site, "web01", "the device asks questions without end", 10)


@limit(120)
def test_a_device_that_hangs_is_noticed_by_its_silence():
    with Sshd() as device, site_with(console("web01", device.address)) as site:
        site.wait_up("web01")
        session = eventually(lambda: [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and of_session(pid, device)])
        for pid in session:
            os.kill(pid, 19)  # SIGSTOP: its TCP lives on
        try:
            detail(site, "web01", "the device answers no more", 70)
        finally:
            for pid in session:
                os.kill(pid, 18)


def of_session(pid, device):
    """Whether a process is one of the sshd's that serve a connection."""
    try:
        with open(f"/proc/{pid}/status") as file:
            parent = int(re.search(r"PPid:\s+(\d+)", file.read()).group(1))
        with open(f"/proc/{pid}/cmdline") as file:
            title = file.read()
    except (OSError, AttributeError):
        return False
    if not title.startswith("sshd"):
        return False
    while parent not in (0, 1):
        if parent == device.daemon.pid:
            return True
        with open(f"/proc/{parent}/status") as file:
            parent = int(re.search(r"PPid:\s+(\d+)", file.read()).group(1))
    return False


def test_the_ports_of_a_console_server_are_consoles_like_any_other():
    ports = None
    while not ports:  # four in a row
        first = free_port()
        try:
            for port in range(first, first + 4):
                socket.create_server(("127.0.0.1", port)).close()
            ports = list(range(first, first + 4))
        except OSError:
            pass
    with Sshd("sh -c 'set -- $SSH_CONNECTION; echo this is tcp port $4; exec cat'", ports=1) as server:
        server.ports = ports
        server.restart()
        inventory = (f'[console-server.cs1]\nprofile = "opengear"\naddress = "127.0.0.1"\nuser = "oob"\nbase = {ports[0] - 1}\n'
                     'password-file = "secrets/web01"\nports = { "1-3" = "db[1-3]", "4" = "sw" }\n')
        with site_with(inventory) as site:
            site.wait_up("db1", "db2", "db3", "sw")
            for name, port in zip(("db1", "db2", "db3", "sw"), ports):
                eventually(lambda: logged(site, name, f"this is tcp port {port}"), what=name)
            listed = site.oob("ls", "-o", "json").stdout
            assert '"sw"' in listed, listed
            site.write_inventory(inventory.replace('"1-3" = "db[1-3]"', '"1-2" = "db[1-2]"'))
            planned = site.oob("inventory", "plan", check=False).stdout
            assert "- db3: console ssh via local" in planned and "db1" not in planned, planned


def test_check_says_where_a_console_server_or_a_script_is_wrong():
    with Site(start=False) as site:
        site.write_inventory('[console-server.cs1]\nprofile = "opengaer"\naddress = "10.9.0.11"\nports = { "1" = "a" }\n'
                             '[console.b]\nline = "ssh"\naddress = "h"\nuser = "u"\nlogin = [ { expect = "(" } ]\n')
        done = subprocess.run([program("oobd"), "check", f"{site.folder}/inventory.d"], capture_output=True, text=True)
        assert done.returncode == 2, done
        assert 'site.toml:2:11: error: no profile "opengaer"; did you mean "opengear"?' in done.stderr, done.stderr
        assert 'site.toml:9:22: error: "(" is no regular expression' in done.stderr, done.stderr
