"""Many nodes at once, each of which says numbered lines ("line 17 of ..."): what a console's log has of them."""
import os
import re

import log_reader


def heard(site, name, unit):
    """Numbered lines in the log, each once and in order; and how many it says are missing. `unit`: "message", "frame"."""
    pieces = site.log(name)
    numbers = [int(n) for n in re.findall(r"line (\d+) of", log_reader.output(pieces).decode())]
    assert numbers == sorted(set(numbers)), f"{name}: out of order or twice"
    gaps = log_reader.markers(pieces, "gap")
    # What is missing before the first is a gap whose size nobody knows.
    unknown = numbers[0] - 1 if any("too slow" in gap.text for gap in gaps) else 0
    return len(numbers), unknown + sum(int(found.group(1)) for gap in gaps
                                       if (found := re.search(rf"(\d+) {unit}s? did not come", gap.text)))


def ends(site, name):
    with open(site.log_path(name), "rb") as file:
        file.seek(max(0, os.path.getsize(site.log_path(name)) - 4096))
        return b"the end" in file.read()
