#!/usr/bin/env python3
"""Real servers and clients through the kernel's router and through weir's, side by side: vsftpd, tftpd-hpa, sipp, ngircd, pptpd, snmpd,
snmptrapd, nmbd, and H.323 from an independent encoder. What the clients got, connections and their events, expectations and the
counters of rules must be the same. servers_test.py [NAME...] runs the scenarios whose names contain one. Ends with "N passed, N failed, N skipped"."""
import os
import random
import re
import shutil
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from twoworlds import C, C6, R0, R06, R1, R16, S, S6, Scenario, World

HERE = os.path.dirname(os.path.abspath(__file__))
SPEAK = [sys.executable, HERE + "/speak.py"]
NEED = ["vsftpd", "in.tftpd", "tftp", "sipp", "ngircd", "pptpd", "pptp", "snmpd", "snmptrapd", "snmptrap", "snmpget", "nmbd", "nmblookup", "curl", "lftp",
        "iptables-legacy", "conntrack", "ss"]
PCAPS = "/usr/share/sip-tester"
TRIES = 3
WANT = {"ftp": "Transfer complete.*lftp-off", "tftp": "^1800 3000", "sip": r"^\['[13]', '0'\]", "irc": "CHAT from", "pptp": "ended", "pptp_calls": "GRE 4711 3 heard frame 2 in call 5150","h323": "heard media 1",
        "names": "IpAddress|WEIRHOST<00>"}


def rules(proto, port, helper, nat="", hook="PREROUTING", chain="FORWARD"):
    """Nothing passes but what the service asks for and what its helper announced."""
    nat = "*nat\n%sCOMMIT\n" % nat if nat else ""
    return ("*raw\n-A %s -p %s -m %s --dport %d -j CT --helper %s\nCOMMIT\n%s*filter\n:%s DROP [0:0]\n-A %s -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"
            "-A %s -m helper --helper %s -m conntrack --ctstate RELATED -j ACCEPT\n-A %s -p %s -m %s --dport %d -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n"
            % (hook, proto, proto, port, helper, nat, chain, chain, chain, helper, chain, proto, proto, port))


def snat(to=R1):
    return "-A POSTROUTING -o eth1 -j SNAT --to-source %s\n" % to


def dnat(port, proto="tcp", here=R0, to=S, dport=None):
    target = "[%s]" % to if ":" in to else to
    return "-A PREROUTING -d %s -p %s -m %s --dport %d -j DNAT --to-destination %s:%d\n" % (here, proto, proto, dport or port, target, port)


MASQ = "-A POSTROUTING -o eth1 -j MASQUERADE\n"


# --- FTP ---
def ftp_tree(w):
    if os.path.isdir(w.path("ftp")):
        return
    w.write("ftp/pub/hello.txt", "hello\n" * 20)
    w.write("ftp/pub/big.bin", random.Random(3).randbytes(600000))
    os.makedirs(w.path("ftp/in"))
    shutil.chown(w.path("ftp/in"), "ftp")
    os.makedirs(w.path("empty"))
    for name in ("pub", ""):
        os.chmod(w.path("ftp/" + name), 0o755)
    for path in ("ftp/pub/hello.txt", "ftp/pub/big.bin"):
        os.utime(w.path(path), (1e9, 1e9))


def vsftpd(w, six=False):
    ftp_tree(w)
    listen = "listen_ipv6=YES\nlisten=NO\nlisten_address6=%s\n" % S6 if six else "listen=YES\nlisten_address=%s\n" % S
    conf = w.write("vsftpd.conf", listen + "background=NO\nanonymous_enable=YES\nno_anon_password=YES\nanon_root=%s\nwrite_enable=YES\n"
                   "anon_upload_enable=YES\nanon_umask=022\nsecure_chroot_dir=%s\nconnect_from_port_20=YES\nseccomp_sandbox=NO\n" % (w.path("ftp"), w.path("empty")))
    for name in os.listdir(w.path("ftp/in")):
        os.unlink(w.path("ftp/in/" + name))
    w.serve(["vsftpd", conf], 21)


def ftp_clients(host, port=21):
    url = "ftp://%s:%d" % ("[%s]" % host if ":" in host else host, port)

    def client(w):
        up = w.write("up.txt", "upload" * 1000)
        out = ""
        for options in ([], ["--disable-epsv"], ["-P", "-"], ["-P", "-", "--disable-eprt"]):
            out += w.run(["sh", "-c", "curl -sS -m 15 %s %s/pub/big.bin | sha256sum" % (" ".join(options), url)])
            out += w.run(["curl", "-sS", "-m", "15"] + options + [url + "/pub/"])
        out += w.run(["curl", "-sS", "-m", "15", "-T", up, url + "/in/curl"])
        for mode in ("on", "off"):
            out += w.run(["lftp", "-c", "set net:timeout 10; set net:max-retries 1; set ftp:passive-mode %s; set ftp:prefer-epsv off; set ftp:ssl-allow no; set ftp:use-feat no; "
                          "open %s; cat pub/hello.txt; ls pub; put -O in %s -o lftp-%s" % (mode, url, up, mode)])
        for mode in ("passive", "active"):
            out += w.run(SPEAK + ["ftp", host, str(port), mode, mode])
        sizes = sorted((n, os.path.getsize(w.path("ftp/in/" + n))) for n in os.listdir(w.path("ftp/in")))
        return re.sub(r"ftp-data|~\d+", "", out) + str(sizes)
    return client


def ftp():
    four, six = vsftpd, lambda w: vsftpd(w, True)
    yield Scenario("ftp", ftp_clients(S), four, rules("tcp", 21, "ftp"))
    yield Scenario("ftp snat", ftp_clients(S), four, rules("tcp", 21, "ftp", snat()))
    yield Scenario("ftp masquerade", ftp_clients(S), four, rules("tcp", 21, "ftp", MASQ))
    yield Scenario("ftp dnat", ftp_clients(R0), four, rules("tcp", 21, "ftp", dnat(21)))
    yield Scenario("ftp both", ftp_clients(R0), four, rules("tcp", 21, "ftp", dnat(21) + snat()))
    yield Scenario("ftp6", ftp_clients(S6), six, "", rules("tcp", 21, "ftp"))
    yield Scenario("ftp6 snat", ftp_clients(S6), six, "", rules("tcp", 21, "ftp", snat(R16)))
    yield Scenario("ftp6 dnat", ftp_clients(R06), six, "", rules("tcp", 21, "ftp", dnat(21, here=R06, to=S6)))
    yield Scenario("ftp split command", lambda w: w.run(SPEAK + ["ftp-split", S, "21"]), four, rules("tcp", 21, "ftp", snat()), want="200\n200\n200")
    yield Scenario("ftp without a helper", lambda w: w.run(["curl", "-s", "-m", "3", "ftp://%s/pub/hello.txt" % S]) or "nothing", four,
                   rules("tcp", 21, "ftp", snat()).replace("--dport 21 -j CT", "--dport 2121 -j CT"), want="nothing")


# --- TFTP ---
def tftpd(w, addr=S):
    w.write("tftp/hello.txt", "hello\n" * 300)
    w.write("tftp/up.txt", "", 0o666)
    w.serve(["in.tftpd", "-L", "-a", ("[%s]" % addr if ":" in addr else addr) + ":69", "-s", w.path("tftp")], 69, "udp")


def tftp_client(host):
    def client(w):
        got, up = w.path("got.txt"), w.write("up.txt", "upload" * 500)
        if os.path.exists(got):
            os.unlink(got)
        out = w.run(["tftp", "-m", "binary", host, "-c", "get", "hello.txt", got]) + w.run(["tftp", "-m", "binary", host, "-c", "put", up, "up.txt"])
        return out + "%d %d" % (os.path.getsize(got) if os.path.exists(got) else -1, os.path.getsize(w.path("tftp/up.txt")))
    return client


def tftp():
    yield Scenario("tftp", tftp_client(S), tftpd, rules("udp", 69, "tftp"))
    yield Scenario("tftp snat", tftp_client(S), tftpd, rules("udp", 69, "tftp", snat()))
    yield Scenario("tftp dnat", tftp_client(R0), tftpd, rules("udp", 69, "tftp", dnat(69, "udp")))
    yield Scenario("tftp6", tftp_client(S6), lambda w: tftpd(w, S6), "", rules("udp", 69, "tftp"))


# --- SIP ---
def sipp_scenario(w, name):
    """sipp's own scenario with media, but for its long pauses."""
    text = w.run(["sipp", "-sd", name])
    text = text[text.index("<?xml"):].replace('milliseconds="8000"', 'milliseconds="300"').replace("pcap/g711a.pcap", PCAPS + "/dtmf_2833_0.pcap")
    return w.write(name + ".xml", text.replace("pcap/dtmf", PCAPS + "/dtmf"))


def sipp_server(*options):
    def start(w):
        w.serve(["sipp", "-i", S, "-p", "5060", "-nostdin"] + list(options), 5060, "tcp" if "t1" in options else "udp", cwd=w.dir)
    return start


def sipp_client(host, *options, calls=3, media=None):
    def client(w):
        words = ["-sf", sipp_scenario(w, media)] if media else []
        out = w.run(["sh", "-c", "cd %s && exec sipp %s:5060 -i %s -p 5060 -m %d -r 10 -nostdin -timeout 20 %s" % (w.dir, host, C, calls, " ".join(list(options) + words))])
        return re.findall(r"(?:Successful|Failed) call\s+\|.*\|\s+(\d+)", out)[-2:]
    return client


def sip():
    udp, tcp = rules("udp", 5060, "sip"), rules("tcp", 5060, "sip")
    yield Scenario("sip call", sipp_client(S, "-sn", "uac"), sipp_server("-sn", "uas"), udp, known=[5060])
    yield Scenario("sip call snat", sipp_client(S, "-sn", "uac"), sipp_server("-sn", "uas"), rules("udp", 5060, "sip", snat()), known=[5060])
    yield Scenario("sip call dnat", sipp_client(R0, "-sn", "uac"), sipp_server("-sn", "uas"), rules("udp", 5060, "sip", dnat(5060, "udp")), known=[5060])
    yield Scenario("sip media snat", sipp_client(S, media="uac_pcap", calls=1), sipp_server("-sn", "uas", "-rtp_echo", "-mp", "7000"), rules("udp", 5060, "sip", snat()),
                   known=[5060, 7000])
    yield Scenario("sip register snat", sipp_client(S, "-sn", "branchc"), sipp_server("-sn", "branchs"), rules("udp", 5060, "sip", snat()), known=[5060])
    yield Scenario("sip tcp", sipp_client(S, "-sn", "uac", "-t", "t1"), sipp_server("-sn", "uas", "-t", "t1"), tcp, known=[5060])
    yield Scenario("sip tcp snat", sipp_client(S, "-sn", "uac", "-t", "t1"), sipp_server("-sn", "uas", "-t", "t1"), rules("tcp", 5060, "sip", snat()), known=[5060])
    yield Scenario("sip tcp dnat", sipp_client(R0, "-sn", "uac", "-t", "t1"), sipp_server("-sn", "uas", "-t", "t1"), rules("tcp", 5060, "sip", dnat(5060)), known=[5060])


# --- IRC ---
def ircd(w):
    conf = w.write("ngircd.conf", "[Global]\nName = irc.weir.test\nInfo = weir\nListen = %s\nPorts = 6667\nServerUID = root\nServerGID = root\n"
                   "[Limits]\nPingTimeout = 60\n[Options]\nDNS = no\nIdent = no\nPAM = no\n" % S)
    w.serve(["ngircd", "-n", "-f", conf], 6667)
    w.taker = w.start(w.s, SPEAK + ["irc-get", S, "6667"], stdout=open(w.path("taker"), "wb"))
    for _ in range(200):
        if b"ready" in open(w.path("taker"), "rb").read():
            return
        time.sleep(0.05)
    raise RuntimeError("nobody in the channel")


def irc():
    def client(host):
        return lambda w: w.run(SPEAK + ["irc-send", host, "6667"])
    yield Scenario("irc dcc", client(S), ircd, rules("tcp", 6667, "irc"), known=[6667])
    yield Scenario("irc dcc snat", client(S), ircd, rules("tcp", 6667, "irc", snat()), known=[6667])
    yield Scenario("irc dcc masquerade and dnat", client(R0), ircd, rules("tcp", 6667, "irc", dnat(6667) + MASQ), known=[6667])


# --- PPTP, H.323 ---
def pptpd(w):
    ppp = w.write("ppp", "#!/bin/sh\nexec %s %s ppp-echo\n" % tuple(SPEAK), 0o755)
    conf = w.write("pptpd.conf", "option %s\nlocalip 192.168.9.1\nremoteip 192.168.9.2-20\n" % w.write("ppp.options", ""))
    w.serve(["pptpd", "-f", "-c", conf, "-l", S, "-e", ppp, "-p", w.path("pptpd.pid")], 1723)


def pptp():
    def client(host):
        return lambda w: w.run(SPEAK + ["pptp", host])
    for name, host, nat in (("pptp", S, ""), ("pptp snat", S, snat()), ("pptp dnat", R0, dnat(1723)), ("pptp both", R0, dnat(1723) + snat())):
        yield Scenario(name, client(host), pptpd, rules("tcp", 1723, "pptp", nat), known=[1723])


def pptp_peer(w):
    w.serve(SPEAK + ["pptp-call", "server", S], 1723)


def pptp_calls():
    """Both ways, which pptp and pptpd cannot here: there is no /dev/ppp for pppd."""
    for name, host, nat in (("pptp call", S, ""), ("pptp call snat", S, snat()), ("pptp call masquerade", S, MASQ), ("pptp call dnat", R0, dnat(1723)),
                            ("pptp call both", R0, dnat(1723) + snat())):
        yield Scenario(name, lambda w, host=host: w.run(SPEAK + ["pptp-call", "client", host]), pptp_peer, rules("tcp", 1723, "pptp", nat), known=[1723])


def h323d(w):
    w.serve(SPEAK + ["h323", "server", S], 1720)


def h323():
    def client(host):
        return lambda w: w.run(SPEAK + ["h323", "client", host])
    for name, host, nat in (("h323", S, ""), ("h323 snat", S, snat()), ("h323 dnat", R0, dnat(1720)), ("h323 both", R0, dnat(1720) + MASQ)):
        text = rules("tcp", 1720, "Q.931", nat).replace("-A FORWARD -m helper --helper Q.931 -m conntrack", "-A FORWARD -m conntrack")
        yield Scenario(name, client(host), h323d, text, known=[1720])


# --- SNMP, NetBIOS names ---
def snmptrapd(w):
    conf = w.write("snmptrapd.conf", "disableAuthorization yes\n")
    w.traps = open(w.path("traps"), "wb")
    w.serve(["snmptrapd", "-f", "-Lo", "-On", "-n", "-C", "-c", conf, "-F", "%b|%v\\n", "-p", w.path("trapd.pid"), "udp:%s:162" % S], 162, "udp", stdout=w.traps)


def trap_client(w):
    out = ""
    for version, words in (("2c", ["42", "1.3.6.1.6.3.1.1.5.3"]), ("1", ["1.3.6.1.4.1.8072", C, "6", "17", "42"])):
        out += w.run(["snmptrap", "-v", version, "-c", "public", S] + words + ["1.3.6.1.6.3.18.1.3.0", "a", C, "1.3.6.1.2.1.1.5.0", "s", "weir", "1.3.6.1.4.1.9.1", "a", "10.9.9.9"])
    time.sleep(0.5)
    w.traps.flush()
    return out + re.sub(r"\]:\d+", "]", re.sub(r"->\[.*?\]:\d+", "", open(w.path("traps"), encoding="utf-8").read()))


def snmpd(w):
    conf = w.write("snmpd.conf", "rocommunity public\n")
    w.serve(["snmpd", "-f", "-Lf", "/dev/null", "-C", "-c", conf, "-p", w.path("snmpd.pid"), "udp:%s:161" % S], 161, "udp",
            env=dict(os.environ, SNMP_PERSISTENT_DIR=w.dir))


def get_client(host):
    def client(w):
        oid = "1.3.6.1.2.1.4.20.1.1.10.1.0.2"
        return "".join(w.run(["snmpget", "-v", v, "-c", "public", "-On", "-r", "0", "-t", "2", host, oid]) for v in ("2c", "1"))
    return client


def nmbd(w):
    for d in ("private", "lock", "state", "cache", "pid", "nlog"):
        os.makedirs(w.path("smb/" + d), exist_ok=True)
    conf = w.write("smb/smb.conf", "[global]\nnetbios name = WEIRHOST\nworkgroup = WEIR\ninterfaces = 10.1.0.2/24\nbind interfaces only = yes\n"
                   "local master = no\ndomain master = no\n" + "".join("%s = %s\n" % (k, w.path("smb/" + d)) for k, d in (
                       ("private dir", "private"), ("lock directory", "lock"), ("state directory", "state"), ("cache directory", "cache"), ("pid directory", "pid"))))
    w.serve(["nmbd", "-F", "--no-process-group", "-s", conf, "-l", w.path("smb/nlog")], 137, "udp")


def nmb_client(w):
    time.sleep(8)   # nmbd has a name only after it has asked whether somebody else has
    out = ""
    for _ in range(4):
        out = w.run(["nmblookup", "-s", "/dev/null", "-B", "10.1.0.255", "WEIRHOST"], ns=w.r)
        if "WEIRHOST<00>" in out:
            break
    return [x for x in out.split("\n") if "WEIRHOST<00>" in x]


def names():
    yield Scenario("snmp traps", trap_client, snmptrapd, rules("udp", 162, "snmp_trap"))
    yield Scenario("snmp traps snat", trap_client, snmptrapd, rules("udp", 162, "snmp_trap", snat()))
    yield Scenario("snmp dnat", get_client(R0), snmpd, rules("udp", 161, "snmp", dnat(161, "udp")))
    text = rules("udp", 137, "netbios-ns", hook="OUTPUT", chain="INPUT")
    yield Scenario("netbios names", nmb_client, nmbd, text, local=True)


def differences(a, b):
    out = []
    for key in a:
        if a[key] != b[key]:
            if isinstance(a[key], list):
                for x in sorted(set(a[key] + b[key])):
                    if a[key].count(x) != b[key].count(x):
                        out.append("%s: kernel %d times, weir %d times: %s" % (key, a[key].count(x), b[key].count(x), x))
            else:
                out.append("%s:\nkernel: %s\nweir: %s" % (key, a[key], b[key]))
    return out


def both(worlds, scenario):
    shown = [None, None]

    def go(i):
        try:
            shown[i] = worlds[i].show(scenario)
        except Exception as e:
            shown[i] = {"trouble": "%s: %s" % (type(e).__name__, e)}

    threads = [threading.Thread(target=go, args=(i,)) for i in (0, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    trouble = [str(s["trouble"]) for s in shown if "trouble" in s]
    if not trouble and not re.search(scenario.want, str(shown[0]["what the client got"]), re.S):
        trouble = ["through the kernel the client got only: %s" % shown[0]["what the client got"]]
    return trouble or differences(*shown), shown[0]


def main():
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [x for x in NEED if not shutil.which(x)]
    if os.geteuid() or missing:
        print("real servers need root and %s" % ", ".join(missing or NEED))
        print("0 passed, 0 failed, 1 skipped")
        return 0
    verbose, wanted = "-v" in sys.argv, [x for x in sys.argv[1:] if x != "-v"]
    passed = failed = 0
    worlds = []
    try:
        worlds += [World(False)]
        worlds += [World(True)]
        for group in (ftp, tftp, sip, irc, pptp, pptp_calls, h323, names):
            for scenario in group():
                scenario.want = scenario.want or WANT[group.__name__]
                if wanted and not any(x in scenario.name for x in wanted):
                    continue
                began = time.time()
                for _ in range(TRIES):
                    diffs, shown = both(worlds, scenario)
                    if not diffs:
                        break
                if diffs:
                    failed += 1
                    print("FAILED: %s\n  %s" % (scenario.name, "\n  ".join(diffs)), flush=True)
                else:
                    passed += 1
                if verbose:
                    print("%s: %.1f s" % (scenario.name, time.time() - began))
                    for key, value in shown.items():
                        print("  %s:\n    %s" % (key, "\n    ".join(value) if isinstance(value, list) else value), flush=True)
    finally:
        for w in worlds:
            w.close()
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed else 0


sys.exit(main())
