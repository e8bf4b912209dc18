"""callhome lines: nodes that dial, with TLS and a token, with one call or two; who is not let in."""
import os
import socket
import subprocess

import log_reader
from harness import Equipment, Site, die_with_parent, eventually, free_port, limit, tool

TOKEN = "c" * 64


def secrets(site):
    """The files that the inventory names: token and certificate; the certificate alone, for nodes."""
    folder = f"{site.folder}/inventory.d/secrets"
    os.mkdir(folder, 0o700)
    subprocess.run([tool("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/CN=rack3", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", f"{folder}/key", "-out", f"{site.folder}/rack3.crt"], check=True, capture_output=True)
    with open(f"{site.folder}/rack3.crt") as crt, open(f"{folder}/key") as key:
        write_private(f"{folder}/rack3.pem", crt.read() + key.read())
    write_private(f"{folder}/web01.token", TOKEN + "\n")
    write_private(f"{site.folder}/token", TOKEN + "\n")


def write_private(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def console(port, **more):
    settings = {"listen": f"127.0.0.1:{port}", "token-file": "secrets/web01.token", **more}
    return '[console.web01]\nline = "callhome"\n' + "".join(f'{key} = "{value}"\n' for key, value in settings.items())


def node(site, to):
    """As LINES.md shows it: a program on a terminal, behind the token."""
    return subprocess.Popen([tool("socat", "socat"), f"SYSTEM:cat {site.folder}/token; stty -echo; echo ready; exec cat,pty,setsid,ctty",
                             to], stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)


def logged(site):
    return log_reader.output(site.log("web01")).decode("utf-8", "replace")


@limit(90)
def test_a_node_dials_by_tls_and_is_a_console_that_comes_back():
    port = free_port()
    with Site() as site:
        secrets(site)
        site.write_inventory(console(port, **{"tls-file": "secrets/rack3.pem"}))
        site.apply()
        eventually(lambda: f"waits for a call to 127.0.0.1:{port}" in site.console("web01")["detail"], 20, "the wait")
        to = f"OPENSSL:127.0.0.1:{port},cafile={site.folder}/rack3.crt"
        first = node(site, to)
        site.wait_up("web01")
        assert "with TLS" in site.console("web01")["detail"]
        eventually(lambda: "ready" in logged(site), 20, "output")
        done = site.oob("run", "web01", "--send", "say it", "--expect", "say it")
        assert done.returncode == 0
        assert TOKEN not in logged(site), "the token is in the log"
        first.kill()
        first.wait(10)
        eventually(lambda: site.console("web01")["state"] != "up", 20, "the end")
        second = node(site, to)
        site.wait_up("web01")
        eventually(lambda: logged(site).count("ready") == 2, 20, "output again")
        second.kill()
        second.wait(10)
        assert TOKEN not in "\n".join(line for daemon in site.daemons for line in daemon.lines)


@limit(60)
def test_two_calls_make_a_line_and_strangers_get_no_word():
    port = free_port()
    with Site() as site:
        secrets(site)
        site.write_inventory(console(port))
        site.apply()
        eventually(lambda: "waits for a call" in site.console("web01")["detail"], 20, "the wait")
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(b"x" * 64 + b"\nlet me in\n")
            stranger.settimeout(20)
            assert stranger.recv(100) == b""
        site.agents["local"].wait_log("a call was refused .*token is of no line")
        with socket.create_connection(("127.0.0.1", port)) as out, socket.create_connection(("127.0.0.1", port)) as into:
            out.sendall(TOKEN.encode() + b" out\r\nboot: ")
            eventually(lambda: "waits for the one in" in site.console("web01")["detail"], 20, "the other half")
            into.sendall(TOKEN.encode() + b" in\r\n")
            site.wait_up("web01")
            site.oob("run", "web01", "--send", "linux")
            into.settimeout(20)
            assert into.recv(100) == b"linux\r"
            eventually(lambda: logged(site) == "boot: ", 20, "output")
        eventually(lambda: "waits for a call" in site.console("web01")["detail"], 20, "the wait again")
