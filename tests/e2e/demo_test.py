"""settle demo from end to end: what a newcomer sees, act by act, and books that balance."""

import os
import re

from kit import contains, equal, need, run_settle, scratch


def demo(*flags):
    done = run_settle("demo", "--data", os.path.join(scratch(), "demo"), *flags)
    equal(done.returncode, 0, done.stdout, done.stderr)
    contains(done.stdout, "books in balance")
    return done.stdout


def test_an_order_commits_and_its_message_reaches_the_warehouse():
    shown = demo()
    equal(len(re.findall(r"→ committed .* message warehouse.ship → delivered", shown)), 3, shown)
    contains(shown, "message warehouse.ship → warehouse ✔ acked")
    contains(shown, "parcels  3 for 3 orders, 6 pieces; 0 of 0 gifts")


def test_a_refused_order_tells_the_warehouse_nothing():
    shown = demo("--fail", "stock")
    contains(shown, "rolled_back")
    contains(shown, "there is no message, nothing is packed")
    contains(shown, "parcels  0 for 0 orders, 0 pieces")


def test_a_closed_warehouse_is_told_again_with_growing_pauses():
    shown = demo("--fail", "warehouse")
    need(re.search(r"→ committed .* message warehouse.ship → (?!delivered)", shown), shown)
    equal(re.findall(r"attempt (\d) (\S) (\d+)", shown), [(str(n), "✘", "503") for n in range(1, 5)] + [("5", "✔", "200")], shown)
    contains(shown, "parcels  1 for 1 orders")


def test_a_check_back_decides_for_a_silent_producer():
    shown = demo("--check-back")
    equal(re.findall(r"gift-(\d)  message  (\w+)", shown), [("1", "committed"), ("2", "rolled_back")], shown)
    contains(shown, "decision COMMIT  check")
    contains(shown, "decision ROLLBACK  check")
    contains(shown, "1 of 1 gifts")


def test_a_kill_between_decision_and_delivery_packs_one_parcel():
    shown = demo("--crash")
    contains(shown, "settled was gone for")
    contains(shown, "told 2 times and packed 1 parcel")
    contains(shown, "parcels  1 for 1 orders")
    need("✘" not in shown, shown)
