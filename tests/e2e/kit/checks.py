"""Assertions that show what they saw, and waiting that gives up."""

import json
import os
import time


class Skip(Exception):
    """Raised by a test that cannot run on this machine; counted, never silent."""


def quick():
    """Is this the short run?"""
    return os.environ.get("SETTLE_TEST_QUICK") == "1"


def limit(seconds):
    """How long a test function may take (60 s otherwise)."""

    def mark(function):
        function.limit_s = seconds
        return function

    return mark


def show(value):
    if hasattr(value, "describe"):
        return value.describe()
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError):
        return repr(value)


def need(condition, *context):
    if not condition:
        raise AssertionError(" · ".join(show(c) for c in context) or "condition is false")


def equal(actual, expected, *context):
    if actual != expected:
        said = "".join(f"\n    {show(c)}" for c in context)
        raise AssertionError(f"got      {show(actual)}\n    expected {show(expected)}{said}")


def less(small, large, *context):
    if not small < large:
        said = "".join(f"\n    {show(c)}" for c in context)
        raise AssertionError(f"expected {small!r} < {large!r}{said}")


def contains(text, part, *context):
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if part not in text:
        said = "".join(f"\n    {show(c)}" for c in context)
        raise AssertionError(f"{part!r} is not in {text[:2000]!r}{said}")


def eventually(question, seconds=10.0, every=0.01, what=""):
    """Ask until the answer is true; returns it. A question may raise AssertionError meanwhile."""
    end = time.monotonic() + seconds
    error = None
    while True:
        try:
            answer = question()
            error = None
            if answer:
                return answer
        except AssertionError as e:
            answer, error = None, e
        if time.monotonic() > end:
            break
        time.sleep(every)
    raise AssertionError(f"not true after {seconds} s: {what or 'condition'}; last seen {show(answer) if error is None else error}")


def problem(answer, status, kind=None, *words):
    """An RFC 9457 error: its status, its type's last word, and words that its detail must hold."""
    equal(answer.status, status, answer)
    equal(answer.headers.get("content-type", "").split(";")[0], "application/problem+json", answer)
    body = answer.json
    equal(body.get("status"), status, answer)
    for member in ("type", "title", "detail"):
        need(isinstance(body.get(member), str) and body[member], f"no {member}", answer)
    need(body["type"].startswith("/problems/"), "type is not a page", answer)
    need(isinstance(body.get("retry"), bool), "retry is not a bool", answer)
    if kind is not None:
        kinds = kind if isinstance(kind, tuple) else (kind,)
        need(body["type"].rsplit("/", 1)[1] in kinds, f"type is not one of {kinds}", answer)
    for word in words:
        contains(json.dumps(body, ensure_ascii=False).lower(), word.lower(), answer)
    return body
