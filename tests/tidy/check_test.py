#!/usr/bin/python3
"""Every rule of tests/tidy/check fails on a sample that breaks it and on no other, and a clean tree passes all.
Ends with `N passed, N failed`."""
import importlib.machinery
import importlib.util
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
LOADER = importlib.machinery.SourceFileLoader("check", os.path.join(HERE, "check"))
SPEC = importlib.util.spec_from_loader("check", LOADER)
check = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(check)

FORMAT = "BasedOnStyle: Google\n"
CLEAN = {
    ".clang-format": FORMAT,
    "common/a.h": "// A: one thing.\n#pragma once\nint a();\n",
    "common/b.cpp": '// B: uses A.\n#include "common/a.h"\n',
}
LATE = "TO" + "DO"
# rule -> (path, text) that breaks it
BREAKS = {
    "include_direction": ("common/c.cpp", '// C.\n#include "server/log/l.h"\n'),
    "includes_from_the_root": ("common/c.cpp", '// C.\n#include "missing.h"\n'),
    "foreign_headers_stay_home": ("common/c.cpp", "// C.\n#include <sqlite3.h>\n"),
    "head_comment": ("common/c.cpp", "int c();\n"),
    "length": ("common/c.py", '"""C."""\n' + "c = 1\n" * 500),
    "banned_words": ("common/c.cpp", "// C.\nclass LineManager {};\n"),
    "headers_are_guarded": ("common/c.h", "// C.\nint c();\n"),
    "no_dead_headers": ("common/c.h", "// C.\n#pragma once\nint c();\n"),
    "white_space": ("common/c.sql", "-- C.\t\n"),
    "scripts_run": ("common/c.txt", "#!/bin/sh\n# C.\n"),
    "nothing_unfinished": ("common/c.cpp", f"// C. {LATE}: more\n"),
    "tests_wait_for_events": ("tests/unit/c.cpp", "// C.\nvoid c() { sleep(1); }\n"),
    "links_lead_somewhere": ("docs/c.md", "# C\n[d](d.md)\n"),
    "formatted": ("common/c.cpp", "// C.\nint   c ( );\n"),
}


def findings(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
            with open(os.path.join(root, name), "w") as file:
                file.write(text)
        tree = check.Tree(root)
        return {rule.__name__: list(rule(tree)) for rule in check.RULES}


def main():
    failed = 0
    clean = findings(CLEAN)
    for rule in check.RULES:
        name = rule.__name__
        path, text = BREAKS[name]
        extra = {"server/log/l.h": "// L.\n#pragma once\n"} if name == "include_direction" else {}
        if name == "headers_are_guarded":
            extra = {"common/d.cpp": '// D.\n#include "common/c.h"\n'}
        found = findings({**CLEAN, path: text, **extra})
        broken = [other for other, hits in found.items() if hits]
        if clean[name] or broken != [name]:
            failed += 1
            print(f"FAIL {name}: the clean tree gives {clean[name]}, its sample is found by {broken}")
    print(f"{len(check.RULES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
