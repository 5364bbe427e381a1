"""The programs as they are shipped: hardened, and the same bytes from every build (reliability.md f)."""

import glob
import os
import re
import shutil
import subprocess

from kit import ROOT, SETTLE, SETTLED, Skip, equal, limit, need, quick, scratch

PROGRAMS = (SETTLED, SETTLE)


def readelf(program, *flags):
    try:
        return subprocess.run(["readelf", "-W", *flags, program], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        raise Skip("readelf is not there") from None


def imports(program):
    return {line.split()[7].split("@")[0] for line in readelf(program, "--dyn-syms").splitlines() if " UND " in line and len(line.split()) > 7}


def sanitized(program):
    return any(name.startswith(("__asan_", "__tsan_", "__ubsan_")) for name in imports(program))


def release():
    """Sanitizers replace the hardening."""
    if any(sanitized(p) for p in PROGRAMS):
        raise Skip("a sanitizer build")
    return PROGRAMS


def test_position_independent():
    for program in release():
        need(re.search(r"Type: +DYN", readelf(program, "-h")), program)
        need(re.search(r"\(FLAGS_1\) .*\bPIE\b", readelf(program, "-d")), f"{program} is no PIE")


def test_relocations_are_read_only():
    for program in release():
        need("GNU_RELRO" in readelf(program, "-l"), f"{program} has no RELRO")
        need(re.search(r"\(FLAGS(_1)?\) .*NOW", readelf(program, "-d")), f"{program} binds lazily")


def test_nothing_is_written_and_run():
    for program in release():
        for line in readelf(program, "-l").splitlines():
            flags = re.match(r"  (\S+) +0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ (.{3}) ", line)
            if flags:
                need(not ("W" in flags[2] and "E" in flags[2]), program, line)
                need(flags[1] != "GNU_STACK" or "E" not in flags[2], program, line)
        need("GNU_STACK" in readelf(program, "-l"), program)
        need("TEXTREL" not in readelf(program, "-d"), program)


def test_canaries_and_checked_copies():
    for program in release():
        names = imports(program)
        need("__stack_chk_fail" in names, f"{program} has no stack protector")
        checked = {n for n in names if n.endswith("_chk")}
        need({"__memcpy_chk", "__snprintf_chk"} & checked or len(checked) >= 3, f"{program} is not fortified", sorted(checked))
        for banned in ("gets", "strcpy", "strcat", "sprintf", "vsprintf", "strtok", "system", "popen", "mktemp", "tmpnam"):
            need(banned not in names, f"{program} calls {banned}")


def test_control_flow_is_marked():
    """On each of our objects: the linker keeps the mark only where the system's start files carry it too."""
    if os.uname().machine != "x86_64":
        raise Skip("CET is of x86-64")
    release()
    objects = glob.glob(os.path.join(os.path.dirname(SETTLED), "object", "*", "*.o"))
    need(len(objects) > 100, len(objects))
    notes = readelf(objects[0], "-n", *objects[1:])
    equal(len(re.findall(r"x86 feature: IBT, SHSTK", notes)), len(objects))


def test_no_search_path_is_built_in():
    for program in release():
        need("RPATH" not in readelf(program, "-d") and "RUNPATH" not in readelf(program, "-d"), program)


def test_the_daemon_starts_no_programs():
    names = imports(release()[0])
    for call in ("execve", "execvp", "execl", "execv", "fork", "vfork", "posix_spawn", "posix_spawnp", "dlopen", "setuid", "chroot"):
        need(call not in names, f"settled can call {call}")


@limit(900)
def test_two_builds_are_the_same_bytes():
    if quick():
        raise Skip("two builds take a minute")
    release()
    tree = os.path.join(scratch(), "tree")
    os.mkdir(tree)
    for name in ("src", "include", "tools"):
        shutil.copytree(os.path.join(ROOT, name), os.path.join(tree, name))
    shutil.copy(os.path.join(ROOT, "Makefile"), tree)
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "BUILD")}
    built = []
    for build in ("one", "two"):
        subprocess.run(["make", "-s", "-j2", f"BUILD={build}", f"{build}/settled"], cwd=tree, env=environment, check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(tree, build, "settled"), "rb") as f:
            built.append(f.read())
    equal(len(built[0]), len(built[1]))
    need(built[0] == built[1], "the builds differ")
