"""Run the test functions of one file: python3 -m kit.runner FILE [PART_OF_NAME]. The last line counts."""

import importlib.util
import os
import signal
import sys
import time
import traceback

sys.path[0] = (os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from kit import daemon as daemon_module  # noqa: E402
from kit.checks import Skip  # noqa: E402

LIMIT_S = 60


class TookTooLong(Exception):
    pass


def alarm(_signal, _frame):
    raise TookTooLong()


def run_one(function):
    """Returns 'ok', 'skip' or 'FAIL', and the story."""
    signal.setitimer(signal.ITIMER_REAL, getattr(function, "limit_s", LIMIT_S))
    try:
        function()
        return "ok", ""
    except Skip as e:
        return "skip", str(e)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a test may raise anything; the file goes on
        return "FAIL", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def report(name, verdict, seconds, story):
    print(f"{verdict:4} {name} {seconds:.2f} s" + (f" ({story})" if verdict == "skip" else ""), flush=True)
    if verdict == "FAIL":
        print("    " + story.rstrip().replace("\n", "\n    "))
        for daemon in daemon_module.SHARED.values():
            if not daemon.alive():
                print(f"    the shared settled is gone ({daemon.process.returncode}):\n{daemon.log_tail()}")
        for daemon in list(daemon_module.running):
            tail = daemon.log_tail(12)
            if tail:
                print(f"    log of settled on {daemon.port}:\n      " + tail.replace("\n", "\n      "), flush=True)


def main():
    path, part = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    signal.signal(signal.SIGALRM, alarm)
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    for name, function in list(vars(module).items()):
        if not name.startswith("test_") or not callable(function) or part not in name:
            continue
        begin = time.monotonic()
        verdict, story = run_one(function)
        counts[verdict] += 1
        report(name, verdict, time.monotonic() - begin, story)
        for daemon in list(daemon_module.running):
            if daemon not in daemon_module.SHARED.values():
                daemon.kill()
    print(f"{counts['ok']} passed, {counts['FAIL']} failed" + (f", {counts['skip']} skipped" if counts["skip"] else ""), flush=True)
    daemon_module.clean()
    os._exit(1 if counts["FAIL"] else 0)


if __name__ == "__main__":
    main()
