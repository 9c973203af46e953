"""Matches on what packets carry, and on the time of day; helpers as in match_header."""
import struct

from case import Case, Do, Send
from packets import *

A, B, A6, B6 = "10.0.0.2", "10.1.0.2", "fd00::2", "fd00:1::2"


def chain(table, hook, rules):
    return "*%s\n%sCOMMIT\n" % (table, "".join("-A %s %s\n" % (hook, r) for r in rules))


def match(name, rules, build, hook="FORWARD", table="filter", families=(4, 6), **kw):
    for v, src, dst in ((4, A, B), (6, A6, B6)):
        if v in families:
            yield Case("%s-%d" % (name, v), [Send("eth0", b(ip(src, dst))) for b in build], covers=[name.split("-")[0]],
                       **{"v%d" % v: chain(table, hook, rules)}, **kw)


def pieces(name, rules, build, **kw):
    for v, items in ((4, fragments4(build(ip(A, B)), [24, 48])), (6, fragments6(build(ip(A6, B6)), [24, 48], 7))):
        for on in ("auto", "on"):
            yield Case("%s-fragments-%s-%d" % (name, on, v), [Send("eth0", p) for p in items], covers=[name], conntrack=on, **{"v%d" % v: chain("filter", "FORWARD", rules)})


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return struct.pack("<I", crc ^ 0xffffffff)


def sctp(sport, dport, *chunks):
    head, body = struct.pack("!HHI", sport, dport, 7), b"".join(c + b"\0" * (-len(c) % 4) for c in chunks)
    return raw(132, head + crc32c(head + b"\0\0\0\0" + body) + body)


def chunk(kind, flags=0, data=b"abcd", length=None):
    return struct.pack("!BBH", kind, flags, 4 + len(data) if length is None else length) + data


def sctp_cases():
    rules = ["-p sctp -m sctp " + o for o in ("--sport 1000", "! --sport 1000", "--dport 80:90", "! --dport 80:90", "--sport 1000 --dport 80", "--chunk-types any DATA", "--chunk-types all DATA",
             "--chunk-types only DATA", "--chunk-types any INIT,SACK", "--chunk-types all DATA,SACK", "--chunk-types only DATA,SACK", "! --chunk-types any DATA", "! --chunk-types all DATA,SACK",
             "! --chunk-types only DATA,SACK", "--chunk-types any DATA:B", "--chunk-types any DATA:bE", "--chunk-types all DATA:U", "--chunk-types only DATA:Be", "--chunk-types any ALL",
             "--chunk-types all ALL", "--chunk-types only ALL", "--chunk-types any NONE", "--chunk-types all NONE", "--chunk-types only NONE", "--chunk-types any ASCONF,I_DATA", "--chunk-types any ABORT:T,SHUTDOWN_COMPLETE:t")]
    lists = [(chunk(0),), (chunk(0, 3),), (chunk(0, 2), chunk(0, 1)), (chunk(3), chunk(0)), (chunk(3),), (chunk(1, 0, b"x" * 16),), (chunk(0, 4, b"abc"), chunk(3, 0, b"")), (chunk(193),),
             (chunk(64, 7),), (chunk(6, 1),), (chunk(6, 0),), (chunk(14, 1, b""),), (chunk(0), chunk(77), chunk(3)), (chunk(0, 2, b"abcd", 65535),), (chunk(0, 2, b"abcdefgh", 3), )]
    yield from match("sctp-chunks", rules, [sctp(1000, 80, *c) for c in lists])
    yield from match("sctp-ports", rules, [sctp(s, d, chunk(0)) for s, d in ((1000, 80), (999, 79), (1001, 90), (0, 91), (65535, 65535))])
    for n, body in enumerate(((), (chunk(0, 0, b"", 0),), (b"\0\0",), (chunk(3), b"\0\0\0"), (chunk(3), chunk(0, 0, b"abcd", 0)), (chunk(3, 0, b"", 4), b"\0"))):
        yield from match("sctp-bad-%d" % n, ["-p sctp -m sctp --chunk-types any DATA", "-p sctp -m sctp ! --chunk-types only DATA", "-p sctp"], [sctp(1000, 80, *body)])
    for n in (0, 4, 11):
        yield from match("sctp-short-%d" % n, ["-p sctp -m sctp --sport 1000", "-p sctp"], [raw(132, (b"\x03\xe8\0\x50" * 3)[:n])])
    yield from pieces("sctp", rules, sctp(1000, 80, chunk(0, 3, b"q" * 100)))


def dccp(sport, dport, kind, options=b"", doff=None, x=0, data=b"data"):
    options += b"\0" * (-len(options) % 4)
    head = 16 if x else 12
    return raw(33, struct.pack("!HHBBHBBH", sport, dport, doff if doff is not None else (head + len(options)) // 4, 0, 0, kind << 1 | x, 0, 5) + (b"\0\0\0\1" if x else b"") + options + data)


def dccp_cases():
    rules = ["-p dccp -m dccp " + o for o in ("--sport 1000", "! --sport 1000", "--dport 80:90", "! --dport 80:90", "--sport 1000 --dport 80", "--dccp-types REQUEST", "--dccp-types DATA,ACK", "! --dccp-types RESET,SYNC",
             "--dccp-types INVALID", "--dccp-option 2", "! --dccp-option 2", "--dccp-option 40", "--dccp-option 1 --dccp-types DATA", "! --dccp-option 40 --sport 1000")]
    yield from match("dccp-types", rules, [dccp(1000, 80, t) for t in range(16)])
    yield from match("dccp-ports", rules, [dccp(s, d, 2) for s, d in ((1000, 80), (999, 79), (1001, 90), (0, 91), (65535, 65535))])
    yield from match("dccp-options", rules, [dccp(1000, 80, 2, o, x=x) for x in (0, 1) for o in (b"", b"\2\2\2\2", b"\x28\4xx", b"\1\1\x28\3z", b"\x29\xff\2\2", b"\x29\0\2\2", b"\x29\3\2\x28", b"\x28")])
    for n, (doff, x) in enumerate(((2, 0), (3, 1), (0, 0), (255, 0), (6, 1))):
        yield from match("dccp-doff-%d" % n, rules[9:12] + ["-p dccp"], [dccp(1000, 80, 2, doff=doff, x=x)])
    for n in (0, 4, 8, 11, 12):
        yield from match("dccp-short-%d" % n, rules[:1] + ["-p dccp"], [raw(33, (b"\x03\xe8\0\x50" * 3)[:n])])
    yield from pieces("dccp", rules, dccp(1000, 80, 2, data=b"x" * 90))


def string_cases():
    rules = []
    for algo in ("bm", "kmp"):
        rules += ["-m string --algo %s %s" % (algo, o) for o in ('--string "secret"', '! --string "secret"', '--string "SECRET" --icase', '--string "SECRET"', '--string "aab"', '--hex-string "|00 01|x"',
                  '--string "x"', '--string "secret" --from 28', '--string "secret" --from 29', '--string "secret" --to 34', '--string "secret" --to 33', '--string "secret" --from 28 --to 34',
                  '--string "secret" --from 48 --to 54', '--string "secret" --from 1000', '--hex-string "|45 00|" --to 2', '--hex-string "|60 00|"', '--string "abababac"', '! --string "secret" --to 40 --icase',
                  '--string "zz" --from 65535')]
    texts = [b"secret", b"SeCrEt", b"", b"sec", b"xsecret", b"a secret secret", b"aaaaab", b"\0\1x", b"ababababac", b"s" * 100 + b"secret", b"secretsecre", b"q" * 1400 + b"x"]
    yield from match("string-udp", rules, [udp(1, 2, t) for t in texts])
    yield from match("string-tcp", rules, [tcp(1, 2, "PA", 1, 1, data=t) for t in texts])
    yield from match("string-prerouting", rules, [udp(1, 2, t) for t in texts], hook="PREROUTING", table="raw")
    latin = ["-m string --algo %s --hex-string \"|%s|\"%s" % (algo, what, icase) for algo in ("bm", "kmp") for icase in ("", " --icase")
             for what in ("41 e4 42", "41 c4 42", "df 61", "bf 41", "f7 78", "d7 58", "ff", "61 62 63 64 df ff")]
    yield from match("string-latin", latin, [udp(1, 2, t) for t in (b"a\xe4b", b"A\xc4B", b"\xdfa", b"\xbfA", b"\xf7x", b"\xd7X", b"\xff", b"\xdf", b"ABCD\xbf\xdf", b"abcd\xdf\xff")])
    # a chain long enough to be compiled, its strings sought at once
    many = ["-p %s -m %s --dport %d -m string --algo %s --string \"%s\"%s%s" % (p, p, d, ("bm", "kmp")[n % 2], w, (" --icase", "", " --from 30")[n % 3], (" -j MARK --set-mark %d" % n, "", "")[n % 3 if n < 30 else 1])
            for n, (p, d, w) in enumerate((p, d, w) for p in ("udp", "tcp") for d in (53, 80) for w in ("a", "ab", "get", "Host", "aGeT /x", "cookie: ", "q" * 20, "onetwothreefour", "secret"))]
    many += ["-m mark --mark 3 -m string --algo bm --string Host -j DROP", "-m string --algo kmp --string nothing", "-m length --length 0:40 -m string --algo bm --string a", "-p udp", "-p tcp"]
    texts2 = [b"GET /x aGeT /x HTTP\r\nhost: a\r\nCookie: ", b"q" * 40, b"onetwothreefoursecret", b"", b"SECRET", b"xxHost", b"A", b"get", b"abgetHostaGeT /xcookie: onetwothreefour" + b"q" * 20]
    yield from match("string-many", many, [f(1, d, t) for t in texts2 for d in (53, 80, 81) for f in (udp, lambda s, d, t: tcp(s, d, "PA", 1, 1, data=t))])
    yield from pieces("string-many", many, udp(1, 53, b"0123456789abcHost" + b"q" * 30 + b"secretaGeT /x" + b"z" * 30))
    yield from match("string-bare", rules, [raw(99, t) for t in (b"", b"s", b"secret")])
    yield from pieces("string", rules, udp(1, 2, b"0123456789abcsecret" + b"x" * 40 + b"secret" + b"z" * 40))


def bpf_cases():
    programs = ("4,48 0 0 9,21 0 1 17,6 0 0 1,6 0 0 0", "4,48 0 0 6,21 0 1 17,6 0 0 1,6 0 0 0", "1,6 0 0 65535", "1,6 0 0 0", "2,32 0 0 1000,6 0 0 1", "2,128 0 0 0,22 0 0 0", "4,128 0 0 0,37 0 1 40,6 0 0 0,6 0 0 1",
                "5,177 0 0 0,72 0 0 2,21 0 1 80,6 0 0 1,6 0 0 0", "3,0 0 0 5,2 0 0 3,22 0 0 0", "5,0 0 0 100,1 0 0 0,60 0 0 0,6 0 0 1,6 0 0 0",
                "4,32 0 0 4294963200,21 0 1 2048,6 0 0 1,6 0 0 0", "4,32 0 0 4294963204,21 0 1 0,6 0 0 1,6 0 0 0", "4,32 0 0 4294963220,21 0 1 0,6 0 0 1,6 0 0 0", "5,48 0 0 4293918720,84 0 0 240,21 0 1 64,6 0 0 1,6 0 0 0",
                "4,40 0 0 4292870156,21 0 1 2048,6 0 0 1,6 0 0 0", "4,40 0 0 4292870157,21 0 1 69,6 0 0 1,6 0 0 0", "5,0 0 0 7,7 0 0 0,135 0 0 0,20 0 0 6,22 0 0 0", "4,0 0 0 1,132 0 0 0,4 0 0 1,22 0 0 0", "6,0 0 0 12,36 0 0 3,52 0 0 5,100 0 0 1,116 0 0 3,22 0 0 0",
                "4,0 0 0 12,148 0 0 5,164 0 0 2,22 0 0 0", "3,5 0 0 0,0 0 0 3,22 0 0 0", "4,48 0 0 8,69 0 1 1,6 0 0 1,6 0 0 0", "4,48 0 0 8,53 0 1 64,6 0 0 1,6 0 0 0", "4,1 0 0 4294967295,80 0 0 10,21 0 0 0,6 0 0 1")
    rules = ['-m bpf --bytecode "%s"' % p for p in programs]
    build = [udp(1, 80, b"x" * 40), udp(80, 1, b""), tcp(1000, 80, "S", 1), echo(1, 1), raw(99, b"")]
    yield from match("bpf", rules, build)
    yield from match("bpf-input", rules, build, hook="PREROUTING", table="mangle")
    yield from pieces("bpf", rules, udp(1, 80, b"x" * 90))
    bad = ("1,48 0 0 9", "2,5 0 0 7,6 0 0 0", "2,5 0 0 1,6 0 0 0", "2,5 0 0 0,6 0 0 0", "3,96 0 0 3,22 0 0 0,6 0 0 0", "2,2 0 0 16,6 0 0 0", "2,52 0 0 0,6 0 0 0", "2,148 0 0 0,6 0 0 0", "2,100 0 0 32,6 0 0 0", "2,21 0 1 0,6 0 0 0",
           "2,21 0 0 0,6 0 0 0", "2,255 0 0 0,6 0 0 0", "2,32 0 0 4294963201,6 0 0 0", "2,32 0 0 4294963264,6 0 0 0", "2,40 0 0 4294963260,6 0 0 0", "1,14 0 0 0", "1,22 0 0 0", "2,140 0 0 0,6 0 0 0", "2,56 0 0 0,6 0 0 0", "2,112 0 0 0,6 0 0 0",
           "2,3 0 0 15,6 0 0 0", "2,97 0 0 0,6 0 0 0", "5,21 1 0 0,2 0 0 1,0 0 0 0,96 0 0 1,6 0 0 0", "5,21 0 0 0,2 0 0 1,0 0 0 0,96 0 0 1,6 0 0 0", "2,177 0 0 4294967295,6 0 0 0")
    for n, p in enumerate(bad):
        yield from match("bpf-load-%d" % n, ['-m bpf --bytecode "%s"' % p], build[:1], families=(4,))


def time_cases():
    rules = ["-m time " + o for o in ("", "--timestart 00:00", "--timestart 00:00 --timestop 23:59:59", "--timestart 12:00 --timestop 11:59:59", "--datestart 2030", "--datestop 2030", "--datestart 2020 --datestop 2021")]
    rules += ["-m time --weekdays %s" % d for d in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")] + ["-m time ! --weekdays Sun", "-m time ! --weekdays Mon,Tue,Wed", "-m time --weekdays Sat,Sun --kerneltz"]
    rules += ["-m time --monthdays %d" % d for d in range(1, 32)] + ["-m time ! --monthdays 1,2,3,22"]
    hours = ["-m time --timestart %02d:00 --timestop %02d:59:59" % (h, h) for h in range(24)] + ["-m time --timestart %02d:00 --timestop %02d:00 --contiguous --weekdays %s" % (h, (h + 23) % 24, d)
                                                                                                for h in (1, 7, 13, 19) for d in ("Sun", "Mon", "Sat")]
    yield from match("time-days", rules, [udp(1, 2), tcp(1, 2, "S", 1)])
    yield from match("time-hours", hours, [udp(1, 2), tcp(1, 2, "S", 1)])
    yield from match("time-hours-raw", hours, [udp(1, 2)], hook="PREROUTING", table="raw")
    yield from match("time-refused", ["-m time --contiguous"], [])


def policy_cases():
    for hook, way in (("PREROUTING", "in"), ("INPUT", "in"), ("FORWARD", "in"), ("FORWARD", "out"), ("POSTROUTING", "out"), ("INPUT", "out"), ("POSTROUTING", "in")):
        rules = ["-m policy --dir %s %s" % (way, o) for o in ("--pol none", "--pol ipsec", "--pol ipsec --proto esp", "--pol ipsec --strict --reqid 5 --next --mode transport", "--pol ipsec ! --mode tunnel")]
        yield from match("policy-%s-%s" % (hook.lower(), way), rules, [udp(1, 2), raw(50, b"12345678")], hook=hook, table="mangle")


def cases():
    for group in (sctp_cases, dccp_cases, string_cases, bpf_cases, time_cases, policy_cases):
        yield from group()
