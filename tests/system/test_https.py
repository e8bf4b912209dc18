"""From elsewhere: a person without an account on the server, with `oob` and a token and nothing else. What the token does
not say is refused; a network that breaks loses nothing; strangers at the door disturb nobody."""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import termios
import threading
import time

import log_reader
from harness import SANITIZED, SLOW, Site, alone, eventually, limit, numbered_lines, program, tool
from proxy import TcpProxy
from terminal import Terminal

TWO = '[console.web01]\nline = "test"\nagent = "local"\n[console.db1]\nline = "test"\nagent = "local"\n'


class Person:
    """Somebody with a home of their own, who runs `oob` as another user of this machine if there can be one."""

    def __init__(self, site, name="carol"):
        self.site, self.home = site, f"{site.folder}/home-{name}"
        os.mkdir(self.home, 0o700)
        self.prefix = []
        if os.geteuid() == 0:
            shutil.chown(self.home, "nobody", "nogroup")
            self.prefix = [tool("setpriv", "util-linux"), "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("OOB_")}
        self.environment.update(HOME=self.home, XDG_CONFIG_HOME="")

    def oob(self, *arguments, text=None, status=0, more=None):
        done = subprocess.run([*self.prefix, program("oob"), *arguments], input=text or "", capture_output=True, text=True,
                              timeout=30 * SLOW, env={**self.environment, **(more or {})})
        assert status is None or done.returncode == status, (f"oob {' '.join(arguments)}: {done.returncode} "
                                                             f"{done.stdout}{done.stderr}")
        return done

    def login(self, token, port=None, status=0, more=()):
        return self.oob("login", f"https://127.0.0.1:{port or self.site.https_port}", "--name", "srv", "--fingerprint",
                        fingerprint(self.site), *more, text=token + "\n", status=status)

    def start(self, *arguments):
        return subprocess.Popen([*self.prefix, program("oob"), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=self.environment)


def fingerprint(site):
    done = subprocess.run([program("oobd"), "fingerprint", "--config", f"{site.folder}/oobd.toml"], capture_output=True,
                          text=True, check=True)
    return done.stdout.strip()


def token(site, *arguments):
    return site.oob("token", "create", *arguments).stdout.strip()


def dial(site):
    end = socket.create_connection(("127.0.0.1", site.https_port), 5)
    end.settimeout(15 * SLOW)
    return end


def tls(site):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(dial(site))


def closes(end):
    said = b""
    try:
        while got := end.recv(65536):
            said += got
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        end.close()
    return said


def ask(site, head, method="GET", path="/v1/whoami"):
    end = tls(site)
    try:
        end.sendall(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{site.https_port}\r\nConnection: close\r\n{head}\r\n"
                    .encode("latin-1"))
    except (ConnectionError, ssl.SSLError):
        pass
    return closes(end).decode("latin-1")


def test_who_has_a_token_for_some_consoles_learns_nothing_of_the_others():
    with Site(TWO + '[group]\nsecretgroup = ["db1"]\n', https=True) as site:
        site.wait_up("web01", "db1")
        carol = Person(site)
        carol.login(token(site, "--user", "carol", "--may", "read", "--on", "web*"))
        for names in ("db1", "db2", "@secretgrup", "d*", "zz*", "web01,db1"):
            done = carol.oob("ls", names, status=4)
            assert "your token is for" in done.stderr and "secretgroup" not in done.stderr, done.stderr
        assert carol.oob("msg", "db1", "hello", status=4).stdout == ""
        assert carol.oob("ls", "*").stdout.count("web01") == 1
        assert "local" not in carol.oob("agent", "ls", status=3).stdout
        for wish in (("--on", ""), ("--may", ""), ("--user", "")):
            assert site.oob("token", "create", *wish, check=False).returncode == 2


def test_a_request_that_waits_for_more_of_a_log_ends_with_its_token():
    with Site(TWO, https=True) as site:
        site.wait_up("web01")
        secret = token(site, "waiter", "--user", "carol", "--may", "log")
        end = tls(site)
        known = site.rest("GET", "/v1/consoles/web01/log?from=0")
        end.sendall(f"GET /v1/consoles/web01/log?from={known['next']}&skip={known.get('skip', 0)}&wait=8 HTTP/1.1\r\nHost: 127.0.0.1:{site.https_port}\r\n"
                    f"Connection: close\r\nAuthorization: Bearer {secret}\r\n\r\n".encode())

        def row():
            return json.loads(site.oob("token", "ls", "-o", "json").stdout)["tokens"][-1]
        eventually(lambda: "last_used" in row(), 5, "the request to be there")
        site.oob("token", "revoke", row()["id"])
        said = closes(end).decode()
        assert said.startswith("HTTP/1.1 401") and "this token was revoked" in said, said


def test_a_person_without_an_account_does_with_a_token_what_is_in_it_and_nothing_else():
    with Site(TWO, https=True) as site:
        site.wait_up("web01", "db1")
        carol = Person(site)
        secret = token(site, "laptop", "--user", "carol", "--may", "read,write,log", "--on", "web*", "--for", "8h")
        done = carol.login(secret)
        assert "as carol" in done.stdout, done.stdout
        who = json.loads(carol.oob("whoami", "-o", "json").stdout)
        assert who["user"] == "carol" and who["rights"] == ["list", "read", "write", "log"], who
        assert who["token_name"] == "laptop" and who["from"] == "127.0.0.1" and who["expires"], who
        assert f"https://127.0.0.1:{site.https_port}" in carol.oob("version").stdout
        rows = json.loads(carol.oob("ls", "-o", "json").stdout)["consoles"]
        assert [row["name"] for row in rows] == ["web01"]
        carol.oob("attach", "-n", "0", "web01", text="hello\n")
        eventually(lambda: b"hello" in log_reader.output(site.log("web01")), 10, "the echo logged")
        assert "hello" in carol.oob("log", "web01").stdout
        sessions = site.rest("GET", "/v1/tokens")["tokens"]
        assert [row["last_from"] for row in sessions] == ["127.0.0.1"]
        # and no more
        for arguments in (("attach", "-r", "db1"), ("log", "db1"), ("info", "db1"), ("inventory", "plan"),
                          ("agent", "enroll", "x"), ("token", "create", "--user", "eve", "--may", "read"),
                          ("token", "create", "--may", "admin")):
            refused = carol.oob(*arguments, status=3)
            assert "carol" in refused.stderr or "token" in refused.stderr, refused.stderr
        # nothing of it is readable by others, in a log, or on a command line
        config = f"{carol.home}/.config/oob"
        assert os.stat(config).st_mode & 0o777 == 0o700
        assert {os.stat(f"{config}/{name}").st_mode & 0o777 for name in os.listdir(config)} == {0o600}
        assert not any(secret[13:] in line for line in site.server.lines)
        os.chmod(f"{config}/srv.token", 0o644)
        assert "chmod 600" in carol.oob("ls", status=3).stderr
        os.chmod(f"{config}/srv.token", 0o600)
        carol.oob("logout")
        assert os.listdir(config) == ["config.toml"]


def test_which_server_is_said_by_the_option_the_environment_or_the_login():
    with Site(TWO, https=True) as site:
        carol = Person(site)
        carol.login(token(site, "--user", "carol", "--may", "read"))
        url = f"https://127.0.0.1:{site.https_port}"
        for arguments, more in ((("--server", "srv", "whoami"), {}), (("whoami", f"--server={url}"), {}),
                                (("whoami",), {"OOB_SERVER": "srv"}), (("whoami",), {"OOB_SERVER": url}), (("whoami",), {})):
            assert "carol" in carol.oob(*arguments, more=more).stdout
        assert "ask to be put in group" in carol.oob("whoami", status=3, more={"OOB_SOCKET": site.socket}).stderr
        assert 'did you mean "srv"' in carol.oob("--server", "svr", "ls", status=4).stderr
        assert "oob login https://other:7443" in carol.oob("--server", "https://other", "ls", status=3).stderr
        with open(f"{carol.home}/.config/oob/config.toml", "a") as file:
            file.write("[atach]\n")
        wrong = carol.oob("ls", status=2).stderr
        assert "config.toml:5:2: error: unknown table \"atach\"; did you mean \"attach\"?" in wrong, wrong


def test_a_token_that_is_wrong_unknown_expired_or_revoked_gets_one_and_the_same_answer():
    with Site(TWO, https=True) as site:
        good, gone, short = token(site), token(site), token(site, "--for", "1s")
        site.oob("token", "revoke", gone[4:12])
        carol = Person(site)
        assert carol.login(good)
        eventually(lambda: " 401 " in ask(site, f"Authorization: Bearer {short}\r\n"), 5, "it to expire")
        wrong = good[:-4] + ("AAAA" if not good.endswith("AAAA") else "BBBB")
        unknown = "oob_" + ("0" if good[4] != "0" else "1") + good[5:]
        answers = {ask(site, f"Authorization: {value}\r\n")
                   for value in [f"Bearer {one}" for one in (gone, short, wrong, unknown, "oob_x", "x" * 100)]}
        assert len(answers) == 1 and " 401 " in answers.pop()
        assert "200 OK" in ask(site, f"Authorization: bearer {good}\r\n")
        assert " 401 " in ask(site, f"Authorization: Bearer {good}\r\nAuthorization: Bearer {good}\r\n")
        assert " 401 " in ask(site, "") and " 401 " in ask(site, "Authorization: Basic eDp5\r\n")
        other = Person(site, "eve")
        assert "this token is not good here" in other.login(gone, status=3).stderr
        assert "this is no access token" in other.login("x", status=2).stderr
        assert not os.path.exists(f"{other.home}/.config/oob"), "a login that failed leaves nothing"


def test_revoking_or_expiring_ends_live_sessions_within_a_second_and_says_so():
    with Site(TWO, https=True) as site:
        site.wait_up("web01")
        for name, arguments in (("revoked", ()), ("expired", ("--for", "4s"))):
            person = Person(site, name)
            secret = token(site, *arguments)
            person.login(secret)
            attached = person.start("attach", "-r", "web01")
            eventually(lambda: site.rest("GET", "/v1/sessions")["sessions"], 10, "the session")
            if name == "revoked":
                site.oob("token", "revoke", secret[4:12])
                began = time.monotonic()
            else:
                began = None
            eventually(lambda: not site.rest("GET", "/v1/sessions")["sessions"], 10, "its end")
            assert began is None or time.monotonic() - began < 1 * SLOW
            _, said = attached.communicate(timeout=20 * SLOW)
            assert attached.returncode == 3, said
            assert f"this token {'was revoked' if name == 'revoked' else 'has expired'}".encode() in said, said


def test_another_certificate_than_the_pinned_one_is_refused_with_both_fingerprints():
    with Site(TWO, https=True) as site:
        carol, before = Person(site), fingerprint(site)
        secret = token(site)
        assert "compare it with `oobd fingerprint`" in carol.oob(
            "login", f"https://127.0.0.1:{site.https_port}", text=secret + "\n", status=2).stderr
        refused = carol.oob("login", f"https://127.0.0.1:{site.https_port}", "--fingerprint", "sha256:" + "0" * 64,
                            text=secret + "\n", status=3).stderr
        assert before in refused and "0" * 64 in refused, refused
        carol.login(secret)
        # the admin gives one of their own, while it runs
        openssl = tool("openssl", "openssl")
        subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "9", "-subj", "/CN=x", "-addext", "subjectAltName=DNS:localhost", "-keyout",
                        f"{site.folder}/own.key", "-out", f"{site.folder}/own.pem"], check=True, capture_output=True)
        site.server.stop()
        site.write_config(f'[api]\nlisten = "127.0.0.1:{site.https_port}"\ncertificate = "own.pem"\nkey = "own.key"\n')
        site.start_server()
        after = fingerprint(site)
        refused = carol.oob("ls", status=3).stderr
        assert before in refused and after in refused and "oob login" in refused, refused
        again = carol.oob("login", f"https://127.0.0.1:{site.https_port}", "--name", "srv", text=secret + "\n", status=3).stderr
        assert "HAS CHANGED" in again and before in again and after in again, "not as if it were new"
        assert "another CA" not in again and "--fingerprint" in again, again
        # vouched for by a CA of this machine, and under its name: no question; under another: one
        trusted = {"SSL_CERT_FILE": f"{site.folder}/own.pem"}
        carol.oob("login", f"https://localhost:{site.https_port}", text=secret + "\n", more=trusted)
        assert "localhost" in carol.oob("--server", "localhost", "whoami", more=trusted).stdout
        assert "no CA vouches" in Person(site, "dave").oob("login", f"https://127.0.0.1:{site.https_port}",
                                                           text=secret + "\n", more=trusted, status=2).stderr
        # read again on HUP
        shutil.copy(f"{site.folder}/state/tls/server.pem", f"{site.folder}/own.pem")
        mark = site.server.mark()
        site.apply()
        site.server.wait_log("the certificate stays as it was: .*the key is not that of the certificate", since=mark)
        shutil.copy(f"{site.folder}/state/tls/server.key", f"{site.folder}/own.key")
        site.apply()
        site.server.wait_log("read the certificate", since=mark)
        assert "root" in carol.oob("--server", "srv", "whoami").stdout


def test_a_login_at_a_terminal_asks_once_and_hides_the_token():
    with Site(TWO, https=True) as site:
        secret, home = token(site), f"{site.folder}/home"
        os.mkdir(home, 0o700)
        environment = {"HOME": home, "XDG_CONFIG_HOME": "", "OOB_SOCKET": "", "OOB_SERVER": ""}
        terminal = Terminal([program("oob"), "login", f"https://localhost:{site.https_port}"], environment)
        terminal.wait(fingerprint(site))
        terminal.wait(r"\[y/N\] ")
        terminal.type(b"y\n")
        terminal.wait("Token")
        eventually(lambda: not termios.tcgetattr(terminal.slave)[3] & termios.ECHO, 5, "no echo")
        terminal.type(secret.encode() + b"\n")
        terminal.wait("logged in at")
        assert terminal.ended() == 0 and terminal.restored()
        assert secret.encode() not in terminal.shown
        terminal.close()

        before = fingerprint(site)
        site.server.stop()
        shutil.rmtree(f"{site.folder}/state/tls")
        site.start_server()
        for answer in (b"y", b"yes"):  # to a changed certificate only the whole word is one
            terminal = Terminal([program("oob"), "login", f"https://localhost:{site.https_port}"], environment)
            terminal.wait(f"HAS CHANGED.*{before}.*{fingerprint(site)}.*Type yes")
            terminal.type(answer + b"\n")
            if answer == b"y":
                assert terminal.ended() == 3
            else:
                terminal.wait("Token")
                terminal.type(secret.encode() + b"\n")
                terminal.wait("logged in at")
                assert terminal.ended() == 0
            terminal.close()


@limit(150)
def test_a_network_that_breaks_or_dies_silently_costs_no_output_and_is_noticed_in_ten_seconds():
    with Site(numbered_lines(["load"], "local", 50, 1500), https=True) as site:
        site.wait_up("load")
        proxy = TcpProxy(("127.0.0.1", site.https_port))
        carol = Person(site)
        carol.login(token(site), port=proxy.port)
        client = carol.start("attach", "-r", "-n", "100000", "load")
        shown, said = bytearray(), []
        threads = [threading.Thread(target=lambda: [shown.extend(got) for got in iter(lambda: os.read(
            client.stdout.fileno(), 65536), b"")], daemon=True),
            threading.Thread(target=lambda: [said.append((time.monotonic(), line)) for line in client.stderr], daemon=True)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(shown) > 2000, 20, "output")
        proxy.cut()
        eventually(lambda: any(b"connected again" in line for _, line in said), 20, "to come back")
        begin = len(said)
        proxy.silence()
        began = time.monotonic()
        eventually(lambda: any(b"connection lost" in line for _, line in said[begin:]), 30, "the dead network noticed")
        assert SANITIZED or time.monotonic() - began < 14, f"noticed after {time.monotonic() - began:.1f} s"
        eventually(lambda: not site.rest("GET", "/v1/sessions")["sessions"], 20, "the server to notice")
        assert SANITIZED or time.monotonic() - began < 16
        proxy.resume()
        site.wait_logged("load", 1500, timeout_s=60)
        logged = log_reader.output(site.log("load"))
        eventually(lambda: len(shown) >= len(logged), 30, "all output")
        client.kill()
        client.wait()
        assert bytes(shown) == logged, "something is missing or twice"
        proxy.close()


@limit(100)
def test_keys_typed_into_a_dead_network_never_arrive_late_and_a_suspended_client_comes_back():
    with Site(TWO, https=True) as site:
        site.wait_up("web01")
        proxy, home = TcpProxy(("127.0.0.1", site.https_port)), f"{site.folder}/home"
        os.mkdir(home, 0o700)
        environment = {"HOME": home, "XDG_CONFIG_HOME": "", "OOB_SOCKET": "", "OOB_SERVER": ""}
        subprocess.run([program("oob"), "login", f"https://127.0.0.1:{proxy.port}", "--fingerprint", fingerprint(site)],
                       input=token(site) + "\n", text=True, check=True, env={**os.environ, **environment},
                       capture_output=True)
        terminal = Terminal([program("oob"), "web01"], environment)
        terminal.wait("read-write as root")
        terminal.type(b"one\r")
        terminal.wait("one")
        proxy.silence()
        terminal.type(b"late\r")
        terminal.wait(r"keys may not have arrived.*connection lost", 20)
        proxy.resume()
        terminal.wait("connected again", 20)
        begin = len(terminal.shown)
        terminal.type(b"two\r")
        terminal.wait("two", begin=begin)
        terminal.process.send_signal(signal.SIGSTOP)
        eventually(lambda: all(session.get("kept_until") for session in site.rest("GET", "/v1/sessions")["sessions"]), 20,
                   "the server to notice")
        begin = len(terminal.shown)
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait("connected again, read-write", 20, begin=begin)
        terminal.type(b"\x05c.")
        assert terminal.ended() == 0 and terminal.restored()
        assert b"late" not in log_reader.output(site.log("web01"))
        terminal.close()
        proxy.close()


@alone
def test_attaching_takes_one_round_trip_after_tls():
    with Site(TWO, https=True) as site:
        site.wait_up("web01")
        site.oob("attach", "-n", "0", "web01", text="hello\n")
        eventually(lambda: b"hello" in log_reader.output(site.log("web01")), 10, "something to replay")
        proxy = TcpProxy(("127.0.0.1", site.https_port), delay_s=0.25)
        carol = Person(site)
        carol.login(token(site), port=proxy.port)
        took = []
        for _ in range(3):
            began = time.monotonic()
            client = carol.start("attach", "-r", "web01")
            assert client.stdout.read(1)
            took.append((time.monotonic() - began) / 0.5)
            client.kill()
            client.communicate()
        print(f"round trips to the first byte, without TCP's: {min(took):.2f}")
        assert SANITIZED or min(took) < 2.6, took  # TLS, and the upgrade with everything in it
        proxy.close()


def test_strangers_at_the_door_are_bounded_told_and_disturb_nobody():
    with Site(TWO, https=True) as site:
        site.wait_up("web01")
        carol = Person(site)
        carol.login(token(site))
        # a thousand connections that say nothing, and as many that stop in the middle of a header
        crowd = []
        for number in range(1000):
            end = dial(site)
            if number % 2:
                end.sendall(b"\x16\x03\x01\x02")
            crowd.append(end)
        carol.oob("ls")
        slow = []
        for _ in range(20):
            end = tls(site)
            end.sendall(b"GET /v1/whoami HTTP/1.1\r\nX-A: ")
            slow.append(end)
        carol.oob("ls")
        began = time.monotonic()
        for end in slow + crowd[-20:]:
            assert closes(end) == b""
        assert time.monotonic() - began < 14 * SLOW
        for end in crowd:
            end.close()
        # headers and bodies beyond the limit, garbage, and no TLS at all
        assert " 431 " in ask(site, "X-Large: " + "a" * 20000 + "\r\n")
        assert " 413 " in ask(site, "Content-Length: 99999999\r\n", "POST", "/v1/tokens")
        for data in (os.urandom(2000), b"\x16\x03\x01\xff\xff" + os.urandom(3000), b"\0" * 100):
            end = dial(site)
            try:
                end.sendall(data)
                end.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            closes(end)
        end = dial(site)
        end.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"https://" in closes(end)
        # a page of another site, with a token that is good
        secret = token(site)
        upgrade = ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                   f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {secret}\r\n")
        assert " 403 " in ask(site, upgrade + "Origin: https://evil.example\r\n", path="/v1/stream")
        end = tls(site)
        own = f"https://127.0.0.1:{site.https_port}"
        end.sendall(f"GET /v1/stream HTTP/1.1\r\nHost: {own[8:]}\r\nOrigin: {own}\r\n{upgrade}\r\n".encode())
        assert b" 101 " in end.recv(4096)[:20]
        end.close()
        # TLS below 1.3
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.wrap_socket(dial(site))
            raise AssertionError("TLS 1.2 was taken")
        except (ssl.SSLError, ConnectionError):
            pass
        # many failed logins: told to wait, and one with a good token is let in all the same
        answers = [ask(site, "Authorization: Bearer oob_00000000_" + "A" * 43 + "\r\n") for _ in range(30)]
        assert " 401 " in answers[0] and " 429 " in answers[-1] and "Retry-After" in answers[-1]
        carol.oob("ls")
        assert len(site.server.lines) < 80, f"{len(site.server.lines)} log lines"
