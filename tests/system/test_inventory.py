"""Inventory: a load is all or nothing, a mistake is said with its place, and what did not change is not touched."""
import os
import re
import subprocess
import tempfile

import log_reader
from harness import Site, SHELL_USER, eventually, program
from stream import Stream

SHELL = f'line = "exec"\ncommand = ["/bin/bash", "--norc", "-i"]\nuser = "{SHELL_USER}"\n'
TWO = f'[console.kept]\n{SHELL}[console.changed]\n{SHELL}[console.numbers]\nline = "test"\nrate = 100\n'

# Each mistake, and the line:column and words that the message has to have.
MISTAKES = [
    ('[console.web01]\nlien = "test"\n', r":2:\d+: error: .*lien.*did you mean \"line\"\?"),
    ('[console.web01]\nline = "tset"\n', r":2:\d+: error: .*tset.*did you mean \"test\"\?"),
    ('[console.web01]\nline = "test"\nrate = "fast"\n', r":3:\d+: error: .*rate"),
    ('[console.web01]\nline = "test"\nagent = "rack9"\n[agent.rack1]\n', r":3:\d+: error: .*rack9.*did you mean \"rack1\"\?"),
    ('[console.web01]\nline = "test"\n\n[console.web01]\nline = "test"\n', r":4:\d+: error: "),
    ('[consoel.web01]\nline = "test"\n', r":1:\d+: error: .*did you mean \"console\"\?"),
    ('[console.web01\nline = "test"\n', r":\d+:\d+: error: "),
    ('[console.attach]\nline = "test"\n', r":1:\d+: error: .*attach"),
    ('[console."../../etc/passwd"]\nline = "test"\n', r":1:\d+: error: "),
    ('[console."a\\u001b[2Jb"]\nline = "test"\n', r":1:\d+: error: "),
    ('[console.web01]\nline = "exec"\n', r":1:\d+: error: .*command"),
    ('[console.web01]\nline = "tcp"\naddress = "10.0.0.1:7001"\n', r":\d+:\d+: error: .*insecure"),
    ('[console.web01]\nline = "serial"\ndevice = "/dev/ttyS0"\nspeed = 5000000\n', r":4:9: error: .*4000000"),
    ('[console.web01]\nline = "serial"\ndevice = "/dev/ttyS0"\ndata-bits = 9\n', r":4:13: error: .*from 5 to 8"),
    ('[console.web01]\nline = "serial"\ndevice = "/dev/ttyS0"\nflow = "rts"\n', r":4:8: error: .*rtscts"),
    ('[console.web01]\nline = "serial"\ndevice = "ttyS0"\n', r":3:10: error: .*absolute"),
    ('[console.web01]\nline = "tcp"\naddress = "127.0.0.1:99999"\n', r":3:\d+: error: "),
]


def test_every_kind_of_mistake_is_said_with_its_place_and_exit_2():
    wrong = []
    for text, words in MISTAKES:
        with tempfile.TemporaryDirectory() as folder:
            with open(f"{folder}/site.toml", "w") as file:
                file.write(text)
            done = subprocess.run([program("oobd"), "check", folder], capture_output=True, text=True, timeout=20)
            said = done.stdout + done.stderr
            if done.returncode != 2 or "\x1b" in said or not re.search(r"site\.toml" + words, said):
                wrong.append(f"{text!r}: exit {done.returncode}: {said!r}; wanted /{words}/")
    assert not wrong, "\n".join(wrong)


def test_a_sound_inventory_passes_the_check():
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/site.toml", "w") as file:
            file.write(TWO)
        assert subprocess.run([program("oobd"), "check", folder], timeout=20).returncode == 0


def test_a_mistake_leaves_the_running_state_untouched():
    with Site(TWO) as site:
        site.wait_up("kept", "numbers")
        pid = site.console("kept")["pid"]
        site.write_inventory(TWO + '[console.new]\nline = "test"\n[console.bad]\nline = "test"\nraet = 1\n')
        for how in ("check", "plan", "apply"):
            done = site.oob("inventory", how, check=False)
            said = done.stdout + done.stderr
            assert done.returncode == 2, f"inventory {how}: exit {done.returncode}: {said}"
            assert re.search(r"site\.toml:\d+:\d+: error: .*raet", said), said
        mark = site.server.mark()
        site.server.signal(1)  # SIGHUP
        site.server.wait_log(r"site\.toml:\d+:\d+: error: .*raet", since=mark)
        assert [c["name"] for c in site.rest("GET", "/v1/consoles")["consoles"]] == ["changed", "kept", "numbers"]
        assert site.console("kept")["pid"] == pid


def change(site, how):
    site.wait_up("kept", "changed", "numbers")
    kept, changed = site.console("kept"), site.console("changed")
    site.write_inventory(TWO.replace("[console.changed]\n" + SHELL, "[console.changed]\n" + SHELL + 'term = "xterm"\n')
                         + '[console.added]\nline = "test"\n')
    how()
    site.wait_up("added", "changed")
    eventually(lambda: site.console("changed").get("pid") not in (None, 0, changed["pid"]), 15, "a new program")
    now = site.console("kept")
    assert now["pid"] == kept["pid"] and now["since"] == kept["since"], (kept, now)
    assert now["log"]["end"] >= kept["log"]["end"]
    site.write_inventory(f"[console.kept]\n{SHELL}[console.numbers]\nline = \"test\"\nrate = 100\n")
    how()
    eventually(lambda: len(site.rest("GET", "/v1/consoles")["consoles"]) == 2, 10, "two consoles")
    assert site.console("kept")["pid"] == kept["pid"]
    end = site.console("numbers")["log"]["end"]
    eventually(lambda: site.console("numbers")["log"]["end"] > end, 10, "more numbers")
    site.server.stop()
    found = log_reader.check_numbered(site.log("numbers"))
    assert (found.runs, found.gap_bytes, found.unknown_gaps) == (1, 0, 0), found


def test_unchanged_lines_keep_their_program_and_offset_over_an_apply():
    with Site(TWO) as site:
        change(site, lambda: site.oob("inventory", "apply"))


def test_unchanged_lines_keep_their_program_and_offset_over_a_hup():
    with Site(TWO) as site:
        change(site, lambda: site.server.signal(1))


def test_a_plan_changes_nothing_and_says_what_apply_would():
    with Site(TWO) as site:
        site.write_inventory(TWO + '[console.added]\nline = "test"\n')
        planned = site.rest("POST", "/v1/inventory/plan")
        assert [(c["change"], c["name"]) for c in planned["changes"]] == [("add", "added")], planned
        assert site.rest("GET", "/v1/consoles/added", status=404)["error"]["code"] == "not-found"
        applied = site.rest("POST", "/v1/inventory/apply")
        assert [(c["change"], c["name"]) for c in applied["changes"]] == [("add", "added")], applied
        assert applied["revision"] == planned["revision"] + 1
        site.wait_up("added")


def test_a_server_starts_from_the_last_applied_revision_when_the_files_are_broken():
    with Site(TWO) as site:
        site.wait_up("kept")
        pid = site.console("kept")["pid"]
        site.write_inventory("[console.kept\n")
        site.server.stop()
        site.start_server()
        site.wait_up("kept")
        assert site.console("kept")["pid"] == pid


def test_mistakes_in_the_daemons_own_files_are_said_with_their_place_and_exit_2():
    with tempfile.TemporaryDirectory() as folder:
        for name, command, text in (
                ("oobd.toml", ["oobd", "--foreground"], 'state = "x"\nsokcet = "y"\n'),
                ("agent.toml", ["oob-agent", "run", "--foreground"], 'name = "x"\nsevrer = "y"\n')):
            path = os.path.join(folder, name)
            with open(path, "w") as file:
                file.write(text)
            done = subprocess.run([program(command[0]), *command[1:], "--config", path], capture_output=True, text=True,
                                  timeout=20)
            said = done.stdout + done.stderr
            assert done.returncode == 2, f"{name}: exit {done.returncode}: {said}"
            assert re.search(rf"{name}:2:\d+: error: .*did you mean \"(socket|server)\"\?", said), said


def test_a_program_that_the_agents_own_file_does_not_allow_is_not_run():
    text = f'[console.no]\nline = "exec"\ncommand = ["/bin/sleep", "100"]\nuser = "{SHELL_USER}"\n'
    with Site(text) as site:
        down = eventually(lambda: site.console("no") if site.console("no")["state"] == "down" else None)
        assert "agent.toml" in down["detail"] or "allow" in down["detail"], down


def revisions(site):
    return site.rest("GET", "/v1/inventory/history")["revisions"]


def test_a_rollback_is_a_new_revision_and_no_plain_reload_undoes_it_not_even_after_a_restart():
    more = TWO + '[console.added]\nline = "test"\n'
    with Site(TWO) as site:
        site.wait_up("kept")
        pid = site.console("kept")["pid"]
        site.write_inventory(more)
        site.oob("inventory", "apply")
        said = site.oob("inventory", "rollback", "1").stdout
        assert "- added" in said and "revision 3 is running" in said, said
        assert [(r["revision"], r["why"], r["changes"]) for r in revisions(site)] == [
            (3, "rollback to 1", "removed added"), (2, "oob inventory apply", "added added"),
            (1, "first start", "3 consoles")], revisions(site)
        assert site.rest("GET", "/v1/consoles/added", status=404)
        with open(f"{site.folder}/inventory.d/site.toml") as file:
            assert file.read() == more, "the admin's file was written over"
        for restart in (False, True):
            if restart:
                site.restart_server()
                site.wait_up("kept")
            line = site.apply()
            assert "revision 3 is a rollback to 1" in line and "oob inventory diff" in line and "--replace" in line, line
            refused = site.oob("inventory", "apply", check=False)
            assert refused.returncode == 1 and "--replace" in refused.stderr, refused
            assert "rollback to 1" in site.oob("inventory", "plan").stdout
            assert len(revisions(site)) == 3
        assert site.console("kept")["pid"] == pid
        site.oob("inventory", "apply", "--replace")
        site.wait_up("added")
        assert "applied" in site.apply()  # the files rule again


def test_after_a_rollback_files_that_agree_again_are_applied_as_ever():
    with Site(TWO) as site:
        site.write_inventory(TWO + '[console.added]\nline = "test"\n')
        site.oob("inventory", "apply")
        site.oob("inventory", "rollback", "1")
        site.write_inventory(TWO)
        assert "applied" in site.apply()
        site.write_inventory(TWO + '[console.other]\nline = "test"\n')
        assert "applied" in site.apply()
        site.wait_up("other")


def test_a_diff_names_what_differs_and_shows_the_text():
    with Site(TWO) as site:
        site.write_inventory(TWO.replace("rate = 100", "rate = 50"))
        assert site.oob("inventory", "diff").stdout == "~ numbers: console: rate (the line starts anew)\n"
        text = site.oob("inventory", "diff", "--text").stdout
        assert re.search(r"^--- revision 1/site\.toml\n\+\+\+ files/site\.toml\n@@ -\d+,4 \+\d+,4 @@\n", text), text
        assert "\n-rate = 100\n+rate = 50\n" in text, text
        site.write_inventory(TWO.replace("rate = 100", "rate = 50 # \\r\\n"))
        assert "\n+rate = 50 # \\r\\n\n" in site.oob("inventory", "diff", "--text").stdout
        site.write_inventory(TWO.replace("rate = 100", "rate = 50"))
        site.oob("inventory", "apply")
        assert site.oob("inventory", "diff").stdout == "no difference\n"
        assert site.oob("inventory", "diff", "1").stdout == site.oob("inventory", "diff", "1", "2").stdout
        assert "rate = 50" in site.oob("inventory", "diff", "1", "--text").stdout
        assert site.oob("inventory", "diff", "7", check=False).returncode == 4
        assert site.oob("inventory", "diff", "x", check=False).returncode == 2


def test_an_export_writes_the_files_as_they_are_and_over_nothing():
    with Site(TWO) as site, tempfile.TemporaryDirectory() as folder:
        site.write_inventory('[group]\npeople = ["carol"]\n', "more.toml")
        site.oob("inventory", "apply")
        site.oob("inventory", "export", f"{folder}/new")
        site.oob("inventory", "export", "1", f"{folder}/first")
        for new, names in (("new", ["more.toml", "site.toml"]), ("first", ["site.toml"])):
            assert sorted(os.listdir(f"{folder}/{new}")) == names
            with open(f"{folder}/{new}/site.toml") as file:
                assert file.read() == TWO
        again = site.oob("inventory", "export", f"{folder}/new", check=False)
        assert again.returncode == 2 and "empty" in again.stderr, again
        assert site.oob("inventory", "export", check=False).returncode == 2


def test_an_apply_that_cuts_off_who_writes_asks_and_without_a_terminal_is_refused():
    with Site(TWO) as site:
        site.wait_up("changed")
        stream = Stream(site.socket)
        stream.attach("changed", write=True)
        site.write_inventory(TWO.replace("[console.changed]\n" + SHELL, ""))
        planned = site.oob("inventory", "plan").stdout
        assert re.search(r"^- changed: .*; \S+ \(read-write\) is attached$", planned, re.M), planned
        refused = site.oob("inventory", "apply", check=False)
        assert refused.returncode == 2 and "--yes" in refused.stderr, refused
        assert len(revisions(site)) == 1
        site.oob("inventory", "apply", "--yes")
        assert len(revisions(site)) == 2
        stream.close()
