"""`oob run`: scripts on one and on twenty consoles, against real shells."""
import json
import os
import re
import signal
import subprocess

from harness import Site, SHELL_USER, eventually, limit, program
from stream import Stream

PROMPT = "prompt> "


def shells(names):
    return "".join(f'[console.{name}]\nline = "exec"\ncommand = ["/bin/bash", "--norc", "--noprofile", "-i"]\n'
                   f'user = "{SHELL_USER}"\n' for name in names)


TWENTY = [f"web{n:02}" for n in range(1, 21)]
READY = ["--send", f"PS1='{PROMPT[:3]}''{PROMPT[3:]}'", "--expect", f"^{PROMPT}$"]


@limit(120)
def test_twenty_consoles_from_a_shell_script():
    with Site(shells(TWENTY)) as site:
        site.wait_up(*TWENTY, timeout_s=40)
        script = f'''set -e
oob=$1
"$oob" run 'web[01-20]' --send "PS1='pro''mpt> '; export N=same" --expect '^prompt> $' > /dev/null
"$oob" run web13 --send 'N=odd' --expect '^prompt> $'
"$oob" run 'web[01-20]' --jobs 7 --send 'echo it is $N' --expect '^prompt> $' --capture
'''
        done = subprocess.run(["/bin/sh", "-c", script, "sh", program("oob")], capture_output=True, text=True, timeout=100,
                              env={**os.environ, "OOB_SOCKET": site.socket}, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done
        assert done.stdout == "web13: done\nweb[01-12,14-20]:\nit is same\nweb13:\nit is odd\n", done.stdout
        assert done.stderr == "", "no progress line without a terminal"
        assert site.rest("GET", "/v1/sessions")["sessions"] == [], "every seat is free again"


def test_one_that_fails_is_named_and_the_others_are_done():
    with Site(shells(["a", "b"])) as site:
        site.wait_up("a", "b")
        site.oob("run", "a,b", *READY)
        busy = Stream(site.socket)
        channel = busy.attach("b", write=True)
        done = site.oob("run", "a,b", "--send", "echo hi", "--expect", "^prompt", check=False)
        assert done.returncode == 1
        assert done.stdout == "a: done\n"
        assert "oob: b: failed: step 1 of 2: " in done.stderr and "is writing; --force takes over" in done.stderr
        assert busy.wait(channel, "joined")["user"].endswith(" (run)"), "those who watch see that it is a program"
        site.oob("run", "b", "-f", "--send", "echo hi", "--expect", "^prompt")
        busy.wait(channel, "reader")
        busy.close()


def test_a_timeout_says_what_was_waited_for_and_what_was_there_instead():
    with Site(shells(["a"])) as site:
        site.wait_up("a")
        site.oob("run", "a", *READY)
        done = site.oob("run", "a", "--timeout", "300ms", "--send", "echo other", "--expect", "never$", check=False)
        assert done.returncode == 1
        assert 'no "never$" within 300 ms; the last line is "prompt>"' in done.stderr, done.stderr
        answer = json.loads(site.oob("run", "a", "--timeout", "300ms", "--expect", "never", "-o", "json", check=False).stdout)
        assert answer["results"][0]["status"] == "failed"


def test_a_secret_comes_from_a_private_file_and_is_never_shown():
    with Site(shells(["a"])) as site:
        site.wait_up("a")
        path = f"{site.folder}/password"
        with open(path, "w") as file:
            file.write("hunter2\n")
        os.chmod(path, 0o644)
        arguments = ["run", "a", "--send", "PS1=; read -rsp 'word? ' word; echo; echo got $word end", "--expect", "word\\? $",
                     "--send-secret-file", path,
                     "--expect", "^got.*end\n", "--send", "echo $word; echo end", "--expect", "^end\n", "--capture",
                     "--timeout", "10s", "-o", "json"]
        done = site.oob(*arguments, check=False)
        assert done.returncode in (2, 3) and "chmod" in done.stderr, done
        os.chmod(path, 0o600)
        done = site.oob(*arguments)
        assert "hunter2" not in done.stdout + done.stderr and "********" in done.stdout, done
        done = site.oob("run", "a", "--send-secret-file", path, "--expect", "not found", "--capture", "--timeout", "5s", check=False)
        assert "hunter2" not in done.stdout + done.stderr, done


def test_steps_from_a_file_and_mistakes_in_it():
    with Site(shells(["a"])) as site:
        site.wait_up("a")
        path = f"{site.folder}/steps.toml"
        with open(path, "w") as file:
            file.write("[[step]]\nsend = \"PS1='pro''mpt> '\"\nexpect = '^prompt> $'\n\n"
                       "[[step]]\nsend = \"echo $((6 * 7))\"\nexpect = '^prompt> $'\n")
        assert site.oob("run", "a", "--steps", path, "--capture").stdout == "42\n"
        with open(path, "w") as file:
            file.write("[[step]]\nsned = \"x\"\nexpect = \"y\"\n")
        done = site.oob("run", "a", "--steps", path, check=False)
        assert done.returncode == 2 and f"{path}:2:1: error: " in done.stderr and '"send"' in done.stderr, done.stderr


def test_an_interrupt_says_what_was_sent_and_frees_the_seat():
    with Site(shells(["a"])) as site:
        site.wait_up("a")
        run = subprocess.Popen([program("oob"), "run", "a", "--send", "sleep 1000", "--expect", "never"],
                               env={**os.environ, "OOB_SOCKET": site.socket}, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        eventually(lambda: any("last_input" in row for row in site.rest("GET", "/v1/sessions")["sessions"]), 10, "input")
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=20)
        assert run.returncode == -signal.SIGINT
        # Whether the line had it was known by then, or not.
        assert re.search(r'a: (stopped|unknown): step .*"sleep 1000"', err), err
        eventually(lambda: site.rest("GET", "/v1/sessions")["sessions"] == [], 5, "the seat free")


def test_wrong_usage_does_nothing():
    with Site(shells(["a"])) as site:
        for arguments, status in ((["a"], 2), ([], 2), (["nosuch", "--send", "x"], 4), (["a", "--expect", "["], 2),
                                  (["a", "--send", "x", "--capture"], 2), (["a", "--expect", "x*"], 2),
                                  (["a", "--send", "x", "--timeout", "soon"], 2),
                                  (["a", "--send", "x", "--newline", "cr lf"], 2)):
            done = site.oob("run", *arguments, check=False)
            assert done.returncode == status, (arguments, done)
            assert done.stdout == "" and done.stderr.startswith("oob: "), done
        site.server.kill()
        assert site.oob("run", "a", "--send", "x", check=False).returncode == 5
