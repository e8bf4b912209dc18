"""netconsole lines: a real kernel in a guest machine that sends both formats; many machines that boot at once; a machine
that spoke before the inventory named it."""
import json
import os
import re
import socket
import threading

import log_reader
from guest import Guest, kernel_modules
from harness import Site, eventually, limit
from numbered import ends, heard


def udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def console(name, port, source):
    return f'[console.{name}]\nline = "netconsole"\nlisten = "127.0.0.1:{port}"\nsource = "{source}"\n'


def logged(site, name):
    return log_reader.output(site.log(name)).decode("utf-8", "replace")


@limit(200)
def test_a_guests_kernel_is_heard_in_both_formats_from_its_first_line_on():
    extended, basic = udp_port(), udp_port()
    modules = kernel_modules("e1000", "netconsole")
    with Site(console("ext", extended, "127.0.0.1") + console("basic", basic, "127.0.0.1")) as site:
        site.wait_up("ext", "basic")
        with Guest(modules, ["-netdev", "user,id=n", "-device", "e1000,netdev=n,romfile="]) as guest:
            for module in modules[:-1]:
                guest.run(f"insmod /bin/{os.path.basename(module)}")
            guest.run("ifconfig eth0 10.0.2.15 up; dmesg -n 8")
            guest.wait_for("grep -q 1 /sys/class/net/eth0/carrier")
            # To the network's own gateway, which hands it to the loopback of this machine.
            to = "10.0.2.2/52:55:0a:00:02:02"
            guest.run(f"insmod /bin/netconsole.ko 'netconsole=+6665@10.0.2.15/eth0,{extended}@{to};"
                      f"6666@10.0.2.15/eth0,{basic}@{to}'")
            # What the kernel writes as \xNN is four times as long: more than one datagram.
            word = "\u00e4\u00f6" * 180
            guest.run(f"echo 'the long one {word} ends' >/dev/kmsg; echo plain words >/dev/kmsg; echo h >/proc/sysrq-trigger")
            eventually(lambda: "HELP" in logged(site, "ext") and "HELP" in logged(site, "basic"), 20, "SysRq's help")
        for name in ("ext", "basic"):
            text = logged(site, name)
            assert "Linux version 6." in text, (name, text[:300])
            assert re.search(r"^\[ *\d+\.\d{6}\] plain words\r$", text, re.M), (name, text[-600:])
            assert text.count("\n") == text.count("\r\n") > 100
        assert re.search(rf"^\[ *\d+\.\d{{6}}\] the long one {word} ends\r$", logged(site, "ext"), re.M)
        facts = eventually(lambda: site.console("ext").get("facts"), 20, "the counts")
        assert int(facts["datagrams-extended"]) > 100 and facts["datagrams-basic"] == "0", facts
        assert not [gap for gap in log_reader.markers(site.log("ext"), "gap")], facts


@limit(240)
def test_many_machines_that_boot_at_once_are_heard_whole_or_what_is_missing_is_counted():
    machines, lines = (64, 10_000) if os.environ.get("OOB_FULL") else (16, 1500)
    port = udp_port()
    names = {f"m{n}": f"127.0.2.{n}" for n in range(1, machines + 1)}
    with Site("".join(console(name, port, source) for name, source in names.items())) as site:
        site.wait_up(*names)

        def boot(source):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((source, 6665))
                sender.connect(("127.0.0.1", port))
                for number in range(1, lines + 1):
                    sender.send(b"6,%d,%d,-;line %d of a boot that says much, as kernels do, of every device it finds\n"
                                % (number, number * 1000, number))

        threads = [threading.Thread(target=boot, args=(source,)) for source in names.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        missing = 0
        for name, source in names.items():
            # One more, until it is heard: it closes the count.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((source, 6665))
                last = b"6,%d,%d,-;the end\n" % (lines + 1, lines * 1001)
                eventually(lambda: ends(site, name) or not sender.sendto(last, ("127.0.0.1", port)), 60, f"the end of {name}")
            # Many gaps are told as one sum, a second later at most.
            eventually(lambda: sum(heard(site, name, "message")) == lines, 20, f"all of {name}")
            missing += heard(site, name, "message")[1]
        print(f"{machines} machines, {lines} lines each: {missing} missing, all counted")


@limit(60)
def test_a_machine_that_spoke_before_it_was_named_is_shown_and_its_line_begins_with_what_it_said():
    port = udp_port()
    with Site(console("known", port, "127.0.0.2")) as site:
        site.wait_up("known")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("127.0.0.77", 6665))
            sender.sendto(b"6,1,1000,-;said before anybody asked\n", ("127.0.0.1", port))
            agent = eventually(lambda: next((row for row in site.rest("GET", "/v1/agents")["agents"]
                                             if row.get("unknown_senders")), None), 20, "the unknown sender")
            sender_row, = agent["unknown_senders"]
            assert sender_row["sender"] == "127.0.0.77" and sender_row["messages"] == 1, sender_row
            assert sender_row["listener"] == f"netconsole 127.0.0.1:{port}"
            shown = site.oob("agent", "info", "local").stdout
            assert f"unknown sender:  127.0.0.77 on netconsole 127.0.0.1:{port}, 1 message, last " in shown, shown
            site.write_inventory(console("known", port, "127.0.0.2") + console("found", port, "127.0.0.77"))
            site.apply()
            eventually(lambda: "said before anybody asked" in logged(site, "found"), 20, "what it said")
            sender.sendto(b"6,2,2000,-;and after\n", ("127.0.0.1", port))
            eventually(lambda: logged(site, "found").endswith("and after\r\n"), 20, "what it says now")
        notes = log_reader.markers(site.log("found"), "note")
        assert len(notes) == 1 and "before a line named this sender" in notes[0].text, notes
        eventually(lambda: not any(row.get("unknown_senders") for row in site.rest("GET", "/v1/agents")["agents"]), 20,
                   "nobody to be unknown")


@limit(60)
def test_a_netconsole_line_takes_no_input_and_says_so():
    port = udp_port()
    with Site(console("k", port, "127.0.0.2")) as site:
        site.wait_up("k")
        done = site.oob("run", "k", "--send", "reboot", check=False)
        assert done.returncode == 1 and "netconsole carries messages one way" in done.stdout + done.stderr, done
        site.write_inventory(console("k", port, "127.0.0.2").replace("127.0.0.1", "10.9.0.1"))
        assert "netconsole is cleartext" in json.dumps(site.rest("POST", "/v1/inventory/check", {})), "not refused"
