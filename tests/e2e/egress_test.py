"""Participants may only live where egress.allow says (H6, design.md 4 (4))."""

from kit import Daemon, Participants, Site, equal, eventually, need, problem, shared_daemon, shared_site


def submit(d, s, url, name):
    return d.submit(s.saga({"id": "a", "action": url}, name=name))


def test_hosts_outside_are_422_naming_host_and_setting():
    d, s = shared_daemon(), shared_site()
    for i, (url, host) in enumerate((("http://169.254.169.254/latest/meta-data", "169.254.169.254"), ("http://10.0.0.1/", "10.0.0.1"), ("http://8.8.8.8/", "8.8.8.8"),
                                     ("http://[fe80::1]/", "fe80::1"), ("http://[::ffff:169.254.169.254]/", "169.254"), ("http://[64:ff9b::a9fe:a9fe]/", "64:ff9b"),
                                     ("http://[2002:a9fe:a9fe::]/", "2002"), ("http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1"), ("http://[::ffff:7f00:1]:1/", "::ffff:7f00:1"),
                                     ("http://[::127.0.0.1]/", "::127.0.0.1"), ("http://[64:ff9b::7f00:1]/", "64:ff9b::7f00:1"), ("http://[2002:7f00:1::]/", "2002:7f00:1::"),
                                     ("http://[2001:0:1:2::80ff:fffe]/", "2001:0:1:2::80ff:fffe"), ("http://0.0.0.0/", "0.0.0.0"), ("http://[::]/", "::"), ("http://224.0.0.1/", "224.0.0.1"),
                                     ("http://255.255.255.255/", "255.255.255.255"),
                                     ("http://192.168.1.1:8080/x", "192.168.1.1"), ("http://100.64.0.1/", "100.64.0.1"), ("http://[fd00::1]/", "fd00::1"))):
        p = problem(submit(d, s, url, f"{i}"), 422)
        need(host.split(":")[0] in p["detail"], url, p)
        need("egress.allow" in p["detail"], url, p)


def test_odd_spellings_are_refused():
    d, s = shared_daemon(), shared_site()
    for i, url in enumerate(("http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.1/", "http://127.0.1/", "http://017700000001/",
                             "http://127.0.0.1./", "http://127.0.0.1%2f@10.0.0.1/", "http://user@127.0.0.1/", "http://user:pass@127.0.0.1/", "http://127.0.0.1@10.0.0.1/",
                             "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/", "javascript:alert(1)", "//127.0.0.1/", "127.0.0.1/x", "", "http://", "http:///x",
                             "http://127.0.0.1:0/", "http://127.0.0.1:65536/", "http://127.0.0.1:-1/", "http://127.0.0.1:x/", "http://127.0.0.1:/x:80", "http://127.0.0.1:80:80/",
                             "http://127.0.0.1/a b", "http://127.0.0.1/a\r\nX: y", "http://127.0.0.1/\x00", "http://127.0.0.1\t/", "http://127.0.0.1\\@10.0.0.1/",
                             "http://[127.0.0.1]/", "http://[::1/", "http://::1/", "http://[::1]x/", "http://[::1%25lo]/", "http://①②⑦.⓪.⓪.①/", "http://127.0.0.1#@10.0.0.1/x",
                             "http://127。0。0。1/", "http://loc\u0430lhost/", "HTTP://10.0.0.1/", "http://127.0.0.1/\u00e9", "http://%31%32%37.0.0.1/", "http://1.1.1.1&@127.0.0.1/",
                             "https//127.0.0.1/", "http:/127.0.0.1/", "http:127.0.0.1", " http://127.0.0.1/", "http://127.0.0.1/ ", "http://0/", "http://00000/",
                             "http://127.0.0.256/", "http://127.0.0.1.1/", "http://.localhost/", "http://local..host/", "http://-/", "http://" + "a" * 300 + "/")):
        answer = submit(d, s, url, f"{i}")
        need(answer.status in (400, 422), repr(url), answer)
        need(answer.json["detail"], answer)
        equal(answer.json.get("setting"), "egress.allow", repr(url), answer)
    equal(s.calls(), [])


def test_settleds_own_listener_is_refused():
    d, s = shared_daemon(), shared_site()
    for i, host in enumerate(("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.0.0.1")):
        answer = submit(d, s, f"http://{host}:{d.port}/v1/transactions", f"{i}")
        if host == "localhost" and answer.status < 300:
            t = eventually(lambda i=i: (lambda t: t if t["attention"] else None)(d.show(s.gid(f"{i}"))), 5)
            need("egress" in str(t) or "own" in str(t), t)
        else:
            equal(answer.status, 422, host, answer)


def test_all_of_loopback_is_the_default():
    d, s = shared_daemon(), shared_site()
    for i, host in enumerate(("127.0.0.1", "localhost", "127.9.9.9", "[::1]")):
        answer = submit(d, s, f"http://{host}:1/x", f"{i}")
        need(answer.status == 202, host, answer)


def test_every_url_of_a_branch_is_judged():
    d, s = shared_daemon(), shared_site()
    good, bad = s.url("x"), "http://10.9.9.9/x"
    for i, branch in enumerate(({"id": "a", "action": good, "compensate": bad}, {"id": "a", "action": {"url": bad}}, )):
        problem(d.submit(s.saga(branch, name=f"s{i}")), 422, None, "10.9.9.9")
    for i, branch in enumerate(({"id": "a", "base": bad}, {"id": "a", "try": good, "confirm": bad, "cancel": good}, {"id": "a", "try": good, "confirm": good, "cancel": bad})):
        problem(d.submit(s.tcc(branch, name=f"t{i}")), 422, None, "10.9.9.9")
    d.submit({"gid": s.gid("c"), "mode": "tcc", "drive": "client"})
    problem(d.post(f"/v1/transactions/{s.gid('c')}/branches", {"id": "a", "base": bad}), 422, None, "10.9.9.9")


def test_a_name_that_is_not_allowed_is_refused_at_submit_or_never_called():
    d = Daemon(settings={"egress": {"allow": ["participants.example"]}}).start()
    s = shared_site()
    problem(submit(d, s, s.url("x"), "loop"), 422, None, "127.0.0.1", "egress.allow")
    answer = submit(d, s, f"http://participants.example:{s.server.port}{s.prefix}x", "name")
    equal(answer.status, 202, answer)


def test_a_name_that_resolves_elsewhere_is_attention_and_nothing_is_sent():
    d = Daemon(settings={"egress": {"allow": ["10.0.0.0/8"]}}).start()
    s = shared_site()
    answer = submit(d, s, f"http://localhost:{s.server.port}{s.prefix}x", "name")
    if answer.status == 202:
        t = eventually(lambda: (lambda t: t if t["attention"] else None)(d.show(s.gid("name"))), 10)
        need("egress" in str(t["attention"]), t)
    else:
        problem(answer, 422, None, "egress.allow")
    equal(s.calls(), [])


def test_networks_can_be_allowed_and_denied():
    server = Participants(host="127.0.0.2")
    s = Site(server)
    d = Daemon(settings={"egress": {"allow": ["127.0.0.2/32"]}}).start()
    d.run(s.saga({"id": "a", "action": s.url("a")}))
    other = shared_site()
    problem(d.submit(other.saga({"id": "a", "action": other.url("a")})), 422)
    d = Daemon(settings={"egress": {"allow": ["127.0.0.0/8"], "deny": ["127.0.0.2"]}}).start()
    problem(d.submit(s.saga({"id": "a", "action": s.url("a")}, name="y")), 422, None, "127.0.0.2")


def test_no_proxy_from_the_environment():
    proxy = Participants()
    d = Daemon(environment={"http_proxy": f"http://127.0.0.1:{proxy.port}", "HTTP_PROXY": f"http://127.0.0.1:{proxy.port}", "ALL_PROXY": f"http://127.0.0.1:{proxy.port}"}).start()
    s = shared_site()
    d.run(s.saga(s.step("a")))
    equal(proxy.calls(), [])


def test_queries_in_urls_are_kept():
    d, s = shared_daemon(), shared_site()
    d.run(s.saga({"id": "a", "action": s.url("a") + "?x=1&y=%20%2F"}))
    equal(s.calls()[0].path, s.prefix + "a?x=1&y=%20%2F")


def test_a_tightened_setting_stops_calls_that_were_allowed():
    import signal
    d, s = Daemon().start(), shared_site()
    s.on("a", 500)
    d.submit(s.saga({"id": "a", "action": s.url("a")}, deadline="1h"))
    eventually(s.calls)
    d.settings["egress"] = {"allow": ["10.0.0.0/8"]}
    d.write_settings()
    d.signal(signal.SIGHUP)
    t = eventually(lambda: (lambda t: t if t["attention"] and "egress" in str(t) else None)(d.show(s.gid())), 10)
    count = len(s.calls())
    import time
    time.sleep(1)
    equal(len(s.calls()), count, t)
    d.settings["egress"] = {"allow": ["127.0.0.1"]}
    d.write_settings()
    s.on("a", 200)
    d.signal(signal.SIGHUP)
    d.post(f"/v1/transactions/{s.gid()}/retry", {"reason": "allowed again"})
    d.until(s.gid(), "committed")
