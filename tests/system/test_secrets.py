"""Secrets of lines: files on the server, given to the agent that dials the line, and kept nowhere."""
import json
import os
import resource
import subprocess

from harness import Site, eventually, program

CANARY = "canary-7f3a-never-shown"
INVENTORY = """[agent.rack1]
[console.c]
line = "test"
agent = "rack1"
rate = 1
secret-file = "secrets/c"
[console.other]
line = "test"
"""


def put_secret(site, text, name="c", mode=0o600):
    os.makedirs(f"{site.folder}/inventory.d/secrets", exist_ok=True)
    path = f"{site.folder}/inventory.d/secrets/{name}"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def site_with_secret(text=CANARY + "\n", inventory=INVENTORY):
    site = Site(start=False)
    try:
        put_secret(site, text)
        site.write_inventory(inventory)
        site.start_server()
        site.start_agent("local")
        site.enrol("rack1")
        site.start_agent("rack1")
    except BaseException:
        site.close(failed=True)
        raise
    return site


def logged(site, text):
    return text in site.oob("log", "c", "--raw").stdout


def test_a_line_has_its_secret_and_asks_for_it_again_when_it_is_dialled_again():
    with site_with_secret() as site:
        site.wait_up("c")
        eventually(lambda: logged(site, f"a secret of {len(CANARY)} bytes"), what="the secret")
        put_secret(site, "12345")
        site.rest("POST", "/v1/consoles/c/down")
        site.rest("POST", "/v1/consoles/c/up")
        eventually(lambda: logged(site, "a secret of 5 bytes"), what="the new secret, without a reload")


def test_with_the_server_away_the_line_waits_and_one_that_is_up_stays_up():
    with site_with_secret() as site:
        site.wait_up("c")
        site.server.kill()
        agent = site.agents["rack1"]
        agent.kill()
        agent = site.start_agent("rack1", wait=False)
        agent.wait_log("console=c.*needs its secret-file from the server, which is not connected")
        site.start_server()
        site.wait_up("c")
        assert not any(CANARY in line for line in agent.lines)


def test_a_secret_that_cannot_be_had_is_the_reason_in_words_and_mends_itself():
    with site_with_secret() as site:
        site.wait_up("c")
        path = put_secret(site, CANARY, mode=0o644)
        site.rest("POST", "/v1/consoles/c/down")
        site.rest("POST", "/v1/consoles/c/up")
        detail = eventually(lambda: (d := site.console("c").get("detail", "")) and "has mode 0644" in d and d)
        assert "secret-file" in detail and "chmod 600 it" in detail, detail
        os.chmod(path, 0o600)
        site.wait_up("c")


def test_check_and_apply_name_the_place_of_a_file_that_is_missing_or_too_open():
    with site_with_secret() as site:
        put_secret(site, "x", "open", 0o640)
        site.write_inventory('[console.a]\nline = "test"\nsecret-file = "secrets/none"\n'
                             '[console.b]\nline = "test"\nsecret-file = "secrets/open"\n', "more.toml")
        done = subprocess.run([program("oobd"), "check", f"{site.folder}/inventory.d"], capture_output=True, text=True)
        assert done.returncode == 2, done
        assert "more.toml:3:15: error: cannot open" in done.stderr and "more.toml:6:15: error:" in done.stderr, done.stderr
        done = site.oob("inventory", "apply", check=False)
        assert done.returncode != 0 and "more.toml:3:15: error: cannot open" in done.stdout + done.stderr, done


def test_the_secret_is_in_no_log_no_state_no_answer_and_no_argument():
    with site_with_secret() as site:
        site.wait_up("c")
        eventually(lambda: logged(site, "a secret of"), what="the secret")
        site.oob("inventory", "apply", "--yes")
        shown = [json.dumps(site.rest("GET", path)) for path in
                 ("/v1/consoles", "/v1/consoles/c", "/v1/inventory", "/v1/inventory/history", "/v1/agents")]
        shown.append(site.oob("info", "c").stdout)
        for daemon in site.daemons:
            shown += daemon.lines
            with open(f"/proc/{daemon.pid}/cmdline") as file:
                shown.append(file.read())
            with open(f"/proc/{daemon.pid}/environ") as file:
                shown.append(file.read())
        assert not [text for text in shown if CANARY in text]
        found = []
        for folder, _, files in os.walk(site.folder):
            for name in files:
                path = os.path.join(folder, name)
                if path == f"{site.folder}/inventory.d/secrets/c" or not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    if CANARY.encode() in file.read():
                        found.append(path)
        assert not found, found


def test_a_daemon_that_crashes_leaves_no_core_with_passwords_unless_it_is_allowed_to():
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        with Site() as site:
            for daemon in site.daemons:
                assert resource.prlimit(daemon.pid, resource.RLIMIT_CORE) == (0, before[1]), daemon.name
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def test_a_file_on_the_agents_machine_is_read_there_if_it_allows_that():
    with Site(start=False) as site:
        os.mkdir(f"{site.folder}/secrets")
        path = f"{site.folder}/secrets/c"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write("1234567\n")
        site.write_inventory(f'[console.c]\nline = "test"\nsecret-file = "agent:{path}"\n'
                             '[console.d]\nline = "test"\nsecret-file = "agent:/etc/shadow"\n')
        site.start_server()
        site.start_agent("local")
        site.wait_up("c")
        eventually(lambda: logged(site, "a secret of 7 bytes"))
        assert 'secrets = ["/etc/shadow"]' in site.console("d")["detail"], site.console("d")
