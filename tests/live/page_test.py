#!/usr/bin/env python3
"""What people see of a daemon: the page in a real browser, metrics, health, weir top; the numbers must be what the hosts sent. Ends with
"N passed, N failed, N skipped"."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import browser  # noqa: E402
import daemon_test as d  # noqa: E402
import tally  # noqa: E402
import traffic_test as t  # noqa: E402
from traffic_test import A, B, R, check, sock_in, tool  # noqa: E402

PORT = 9180
RULES = t.RULES.replace("COMMIT\n*filter", "COMMIT\n*filter", 1).replace(":FORWARD DROP [0:0]\n", ":FORWARD DROP [0:0]\n-A FORWARD -p udp -m udp --dport 7001 -m comment --comment \"<b>&\\\"x\" -j DROP\n")


def http(text, port=PORT, until_close=True):
    s = sock_in(R, socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(5)
    s.connect(("127.0.0.1", port))
    s.sendall(text.encode("latin1"))
    data = b""
    try:
        while until_close or b"\n\n" not in data:
            more = s.recv(1 << 16)
            if not more:
                break
            data += more
    except OSError:
        pass
    s.close()
    return data.decode("utf-8", "replace")


def get(path, host="127.0.0.1"):
    return http("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (path, host))


def send(n, port):
    u = sock_in(A, socket.AF_INET, socket.SOCK_DGRAM)
    v = sock_in(B, socket.AF_INET, socket.SOCK_DGRAM)
    v.bind(("10.1.0.2", port))
    v.settimeout(0.5)
    got = 0
    for _ in range(n):
        u.sendto(b"x" * 100, ("10.1.0.2", port))
        try:
            v.recv(2000)
            got += 1
        except OSError:
            pass
        if port == 7001:
            v.settimeout(0.01)
    u.close()
    v.close()
    return got


def plain(where):
    check("health", get("/health").startswith("HTTP/1.1 200") and get("/health").endswith("ok\n"))
    check("a name of somebody else is refused", " 403 " in get("/state.json", "evil.example"))
    check("this machine's names are not", all(" 200 " in get("/health", h) for h in ("localhost:9180", "127.0.0.1:9180", "[::1]:9180")))
    check("only GET", " 405 " in http("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"))
    check("nothing else is there", " 404 " in get("/../etc/passwd"))
    check("what is no HTTP is refused", " 400 " in http("\x00\x01\x02 nonsense\r\n\r\n") or http("\x00\x01 nonsense\r\n\r\n") == "")
    t.pings("ping", A, "10.1.0.2")
    sent = send(50, 7000), send(40, 7001)
    check("rules let through what they should", sent == (50, 0), str(sent))
    text = get("/metrics")
    want = ('weir_dropped_packets_total{reason="rule"} 40', 'weir_dropped_at_hook_packets_total{hook="FORWARD"} 40',
            'weir_rule_packets_total{family="ipv4",table="filter",chain="FORWARD",rule="1"} 40', "weir_conntrack_entries ", 'weir_receive_packets_total{device="eth0"}')
    check("metrics are the hosts' counts", all(x in text for x in want), "\n".join(x for x in text.split("\n") if "FORWARD" in x or "dropped" in x and " 0" not in x))
    body = text.split("\r\n\r\n", 1)[1]
    line = re.compile(r'^(# (HELP|TYPE) weir_\w+ .*|weir_\w+(\{\w+="([^"\\]|\\.)*"(,\w+="([^"\\]|\\.)*")*\})? \d+)$')
    odd = [x for x in re.sub(r"^[0-9a-f]+\r\n", "", body).split("\n") if x.strip() and not line.match(x)]
    check("every line is of the format", not odd, "\n".join(odd[:3]))
    if shutil.which("promtool"):
        r = subprocess.run(["promtool", "check", "metrics"], input=body, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        check("promtool agrees", r.returncode == 0, r.stdout)
    state = json.loads(get("/state.json").split("\r\n\r\n", 1)[1])
    check("drops name their rule", any(n == 40 and "--dport 7001" in why for n, why in state["drops"]), str(state["drops"]))
    event = http("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n", until_close=False)
    check("events come", "text/event-stream" in event and '"forwarded":' in event, event[:200])
    r = d.weir(where, "top", "--once")
    check("weir top", r.returncode == 0 and re.search(r"\b40\b.*--dport 7001", r.stdout) and "10.1.0.2:7000" in r.stdout and "dropped because of" in r.stdout, r.stdout)
    # many who watch and do not read, or say half a request: the others are served
    idle = []
    for i in range(60):
        s = sock_in(R, socket.AF_INET, socket.SOCK_STREAM)
        s.connect(("127.0.0.1", PORT))
        s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n" if i % 2 else b"GET /met")
        idle.append(s)
    time.sleep(1.5)
    check("served beside them", " 200 " in get("/health") and "--ctstate" in tool(where + "/s", "iptables-legacy", "-S"))
    for s in idle:
        s.close()


NUMBER = "+document.getElementById('n-%s').textContent.replace(/,/g,'')"


def page():
    b = browser.Browser(R)
    try:
        b.open("http://127.0.0.1:%d/" % PORT)
        check("the page is live", b.wait("document.getElementById('state')&&document.getElementById('state').textContent=='live'"))
        before = b.value(NUMBER % "fwd-post")
        drops = b.value(NUMBER % "route-fwd")
        send(30, 7000)
        send(20, 7001)
        check("forwarded packets move on", b.wait("%s==%d" % (NUMBER % "fwd-post", before + 30), 6), str(b.value(NUMBER % "fwd-post")) + " after %d" % before)
        check("and those that a rule dropped", b.wait("%s==%d" % (NUMBER % "route-fwd", drops + 50), 6), str(b.value(NUMBER % "route-fwd")))
        check("drops with their rule", "--dport 7001" in b.value("document.getElementById('drops').innerText") and "60" in b.value("document.getElementById('drops').innerText"),
              b.value("document.getElementById('drops').innerText"))
        check("a rule's text is text", b.value("document.querySelectorAll('#drops b').length") == 0 and "<b>&" in b.value("document.getElementById('drops').innerText"))
        check("connections", "10.1.0.2:7000" in b.value("document.getElementById('flows').innerText"))
        check("nothing is asked of anybody else", b.value("performance.getEntriesByType('resource').every(e=>e.name.startsWith(location.origin))"))
        if os.environ.get("WEIR_PICTURES"):
            b.picture(os.environ["WEIR_PICTURES"] + "/page.png")
        for name, width, dark in (("phone", 390, False), ("phone-dark", 390, True), ("dark", 1280, True)):
            b.call("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=2 if width < 500 else 1, mobile=width < 500)
            b.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
            time.sleep(0.3)
            check(name + ": nothing is wider than the screen", b.value("document.documentElement.scrollWidth<=innerWidth"), str(b.value("document.documentElement.scrollWidth")))
            colour = b.value("getComputedStyle(document.body).backgroundColor")
            check(name + ": its colours", (sum(map(int, re.findall(r"\d+", colour)[:3])) < 200) == dark, colour)
            if os.environ.get("WEIR_PICTURES"):
                b.picture(os.environ["WEIR_PICTURES"] + "/%s.png" % name)
    finally:
        b.close()


def main():
    missing = [x for x in ("iptables-legacy", "conntrack", "ip") if not shutil.which(x)]
    if os.geteuid() or missing:
        print("the page's test needs root and %s" % ", ".join(missing or ["iptables-legacy", "conntrack", "ip"]))
        print("0 passed, 0 failed, 1 skipped")
        return 0
    try:
        t.world()
        t.sh("ip link set lo up", R)
        where = d.snapshot(RULES)
        try:
            p, _ = d.begin(where, *d.PORTS, "--listen", str(PORT))
        except RuntimeError as e:
            if "without libmicrohttpd" not in str(e):
                raise
            print("skipped: built without libmicrohttpd")
            print("0 passed, 0 failed, 1 skipped")
            return 0
        try:
            plain(where)
            if browser.program():
                page()
            else:
                tally.skip("no Chromium")
        except Exception as e:
            check("the page's test", False, repr(e))
        check("the daemon stops in order while somebody watches", d.end(p) == 0)
    finally:
        for p in t.daemons:
            p.kill()
        for ns in (A, R, B):
            subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL)
        for x in t.dirs:
            shutil.rmtree(x, ignore_errors=True)
    return tally.done()


if __name__ == "__main__":
    sys.exit(main())
