"""Lists, filters, cursors (G12)."""

import threading
import urllib.parse

from kit import Daemon, Gate, equal, eventually, need, problem, shared_daemon, shared_site


def pages(d, query, size=None):
    """Every item of a list, page by page; checks that nothing comes twice."""
    items, cursor = [], None
    for _ in range(1000):
        path = "/v1/transactions?" + query + (f"&limit={size}" if size else "") + (f"&cursor={urllib.parse.quote(cursor)}" if cursor else "")
        answer = d.get(path)
        equal(answer.status, 200, answer)
        page = answer.json
        need(size is None or len(page["items"]) <= size, answer)
        items += page["items"]
        cursor = page.get("next")
        if not cursor:
            break
    else:
        raise AssertionError("the list never ends")
    gids = [i["gid"] for i in items]
    equal(len(gids), len(set(gids)), "an item came twice")
    return items


def gids(items):
    return [i["gid"] for i in items]


def test_filters_find_what_they_say():
    d, s = shared_daemon(), shared_site()
    gate = s.on("open/do", Gate())
    s.on("no/do", 409)
    label = {"run": s.name}
    d.run(s.saga(s.step("a"), name="saga", labels={**label, "kind": "x"}))
    d.run(s.saga(s.step("no"), name="refused", labels=label), "rolled_back")
    d.run(s.tcc(s.part("a"), name="tcc", labels=label))
    d.run({**s.saga(s.step("a"), name="named", labels=label), "name": "book-trip"})
    d.submit(s.saga(s.step("open"), name="open", labels=label))
    eventually(lambda: s.calls("open/do"))
    base = f"label.run={s.name}"

    def found(query):
        return sorted(g[len(s.name) + 1:] for g in gids(pages(d, f"{base}&{query}")))

    eventually(lambda: found("") == ["named", "open", "refused", "saga", "tcc"], 5)
    equal(found("mode=tcc"), ["tcc"])
    equal(found("status=rolled_back"), ["refused"])
    equal(found("status=active"), ["open"])
    equal(found("label.kind=x"), ["saga"])
    equal(found("name=book-trip"), ["named"])
    equal(found("older_than=1h"), [])
    equal(found("created_after=2020-01-01T00:00:00Z"), ["named", "open", "refused", "saga", "tcc"])
    equal(found("created_after=2100-01-01T00:00:00Z"), [])
    equal(found("attention=true"), [])
    equal(found("attention=false"), ["named", "open", "refused", "saga", "tcc"])
    equal(found("branch_url=" + urllib.parse.quote(s.url("no/do"), safe="")), ["refused"])
    gate.open()
    d.until(s.gid("open"), "committed")


def test_sorting_by_creation():
    d, s = shared_daemon(), shared_site()
    for i in range(7):
        d.run(s.saga(s.step("a"), name=f"{i}", labels={"sort": s.name}))
    wanted = [s.gid(str(i)) for i in range(7)]
    eventually(lambda: gids(pages(d, f"label.sort={s.name}&sort=created")) == wanted, 5)
    equal(gids(pages(d, f"label.sort={s.name}&sort=-created")), wanted[::-1])
    equal(gids(pages(d, f"label.sort={s.name}")), wanted[::-1])
    equal(gids(pages(d, f"label.sort={s.name}&sort=created", 2)), wanted)
    equal(gids(pages(d, f"label.sort={s.name}&sort=-created", 3)), wanted[::-1])


def test_pages_have_a_next_a_total_and_a_link():
    d, s = shared_daemon(), shared_site()
    for i in range(5):
        d.run(s.saga(s.step("a"), name=f"{i}", labels={"page": s.name}))
    answer = d.get(f"/v1/transactions?label.page={s.name}&limit=2")
    equal(len(answer.json["items"]), 2, answer)
    need(isinstance(answer.json["approx_total"], int), answer)
    need(answer.json["next"], answer)
    need('rel="next"' in answer.headers.get("link", ""), answer)
    target = answer.headers["link"].split("<")[1].split(">")[0]
    follow = d.get(target[target.index("/v1"):])
    equal((follow.status, len(follow.json["items"])), (200, 2), follow)


def test_cursors_stay_valid_while_data_changes():
    d = Daemon().start()
    s = shared_site()
    body = [s.saga({"id": "a", "action": s.url("a")}, name=f"old{i:03}") for i in range(120)]
    for b in body:
        d.run(b)
    stop = threading.Event()

    def churn():
        client, i = d.client(), 0
        while not stop.is_set():
            client.request("POST", "/v1/transactions", s.saga({"id": "a", "action": s.url("a")}, name=f"new{i}"))
            i += 1
        client.close()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for direction in ("-created", "created"):
            items, cursor = [], None
            while True:
                page = d.get(f"/v1/transactions?sort={direction}&limit=7" + (f"&cursor={urllib.parse.quote(cursor)}" if cursor else "")).json
                items += gids(page["items"])
                cursor = page.get("next")
                old = [g for g in items if "-old" in g]
                if not cursor or len(old) == 120:
                    break
            equal(len(items), len(set(items)), "an item came twice")
            wanted = [s.gid(f"old{i:03}") for i in range(120)]
            equal(old, wanted if direction == "created" else wanted[::-1])
    finally:
        stop.set()
        thread.join()


def test_unfinished_and_finished_stand_in_one_list():
    d, s = shared_daemon(), shared_site()
    gate = s.on("open/do", Gate())
    for i in range(6):
        body = s.saga(s.step("open" if i % 2 else "a"), name=f"{i}", labels={"mix": s.name})
        d.submit(body) if i % 2 else d.run(body)
    wanted = [s.gid(str(i)) for i in range(6)]
    eventually(lambda: gids(pages(d, f"label.mix={s.name}&sort=created", 1)) == wanted, 5)
    gate.open()
    for i in (1, 3, 5):
        d.until(s.gid(str(i)), "committed")
    eventually(lambda: gids(pages(d, f"label.mix={s.name}&sort=created", 4)) == wanted, 5)


def test_an_item_says_the_essentials():
    d, s = shared_daemon(), shared_site()
    d.run(s.saga(s.step("a"), labels={"essential": s.name}))
    item = eventually(lambda: pages(d, f"label.essential={s.name}"), 5)[0]
    equal((item["gid"], item["mode"], item["status"]), (s.gid(), "saga", "committed"), item)


def test_odd_queries_are_refused():
    d = shared_daemon()
    for query in ("status=nonsense", "mode=xyz", "limit=0", "limit=-1", "limit=abc", "limit=201", "limit=99999999999999999999",
                  "sort=color", "cursor=garbage", "cursor=%00", "cursor=" + "A" * 3000, "older_than=5", "created_after=yesterday",
                  "attention=maybe", "unknown_filter=1", "statsu=active", "created_after=2026-13-45T00:00:00Z", "=",
                  "status=%zz", "mode=saga&mode=tcc"):
        answer = d.get("/v1/transactions?" + query)
        need(answer.status in (400, 422), query, answer)
        need(answer.json.get("detail"), query, answer)


def test_an_unknown_filter_names_the_nearest():
    problem(shared_daemon().get("/v1/transactions?statsu=active"), 422, None, "statsu", "status")


def test_limit_200_is_the_most():
    equal(shared_daemon().get("/v1/transactions?limit=200").status, 200)


def test_an_unknown_gid_is_404():
    d, s = shared_daemon(), shared_site()
    problem(d.get(f"/v1/transactions/{s.gid('nobody')}"), 404)
    problem(d.get(f"/v1/transactions/{s.gid('nobody')}/events"), 404)


def test_labels_with_odd_text_are_found():
    d, s = shared_daemon(), shared_site()
    value = 'ü &=+%"\'<script>'
    d.run(s.saga(s.step("a"), labels={"odd": value, "run": s.name}))
    query = f"label.odd={urllib.parse.quote(value, safe='')}&label.run={s.name}"
    eventually(lambda: gids(pages(d, query)) == [s.gid()], 5)
    equal(d.show(s.gid())["labels"]["odd"], value)
