"""A grammar of every option of every extension: lines that iptables-legacy takes, drawn from a seed.

A row is (kind, name, families, tables, chains, protocols, template). A template's language: {a|b} one of them, [x] perhaps, ~ perhaps
"! ", <1-9> a number (its edges more often than not), %a %n %h an address of the case's networks, with
its bits, and without; %r a range of them; %i an interface, @ a new name, ¦ a bar that is meant. "live"
rows are those whose answer both sides can give for packets of a case: no owner, no clock of its own, no lots.
"""
import ipaddress
import re

V4, V6, BOTH = (4,), (6,), (4, 6)
ANY = ("raw", "mangle", "nat", "filter", "security")
TRACKED = ("mangle", "filter", "security")
IN = ("PREROUTING", "INPUT", "FORWARD")
OUT = ("FORWARD", "OUTPUT", "POSTROUTING")
EVERY = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
LOCAL = ("OUTPUT", "POSTROUTING")
HOOKS = {"raw": ("PREROUTING", "OUTPUT"), "mangle": EVERY, "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "filter": ("INPUT", "FORWARD", "OUTPUT"),
         "security": ("INPUT", "FORWARD", "OUTPUT")}
PORT = "{22|53|80|443|1000|5000|65535|:1023|1024:|1000:5000|<0-65535>}"
STATE = "{NEW|ESTABLISHED|RELATED|INVALID|UNTRACKED|NEW,ESTABLISHED|RELATED,INVALID,UNTRACKED}"
MARK = "{0x0|0x1|0x2/0xf|0xff|<0-4294967295>/<0-4294967295>}"
NUMBER = "{0|1|<0-255>}"
FLAGS = "{SYN|ACK|FIN|RST|URG|PSH|SYN,ACK|SYN,RST,ACK,FIN|ALL|NONE}"
CHUNKS = "{DATA|INIT|INIT_ACK|SACK|HEARTBEAT|ABORT|SHUTDOWN|COOKIE_ECHO|DATA:BE|DATA:ube,INIT|ABORT:T|SHUTDOWN_COMPLETE:t,ABORT|ALL|NONE}"
DCCP = "{REQUEST|RESPONSE|DATA|ACK|DATAACK|CLOSE|RESET,SYNC|REQUEST,SYNCACK,CLOSEREQ}"
TYPES = "{UNICAST|LOCAL|MULTICAST|ANYCAST|UNICAST,LOCAL|BLACKHOLE,UNREACHABLE,PROHIBIT|UNSPEC}"
TYPES4 = "{UNICAST|LOCAL|BROADCAST|MULTICAST|ANYCAST|UNICAST,LOCAL|LOCAL,BROADCAST|BLACKHOLE,UNREACHABLE,PROHIBIT|THROW|NAT|XRESOLVE|UNSPEC}"
OPTIONS6 = "{1|5:2|0|4:0|5,1|194:4,1:*|1:4}"
HASH_RATE = "{1/hour|3/hour|9/day|2/min}"
HASH_REST = "[ --hashlimit-srcmask <0-32>][ --hashlimit-dstmask <0-32>][ --hashlimit-htable-size {1|16|<1-1000>}][ --hashlimit-htable-max <1-1000>]" \
            "[ --hashlimit-htable-gcinterval 600000] --hashlimit-htable-expire 600000"
HASH_MODE = "--hashlimit-mode {srcip|dstip|srcport|dstport|srcip,dstip|srcip,srcport,dstip,dstport|dstip,dstport}"
KEEP = "--hmark-rnd {0|1|<0-4294967295>} --hmark-mod {1|4|65536}[ --hmark-offset <0-1000>]"


def match(name, template, families=BOTH, tables=ANY, chains=EVERY, protos=(), live=True):
    return ("match", name, families, tables, chains, protos, template, live)


def target(name, template, families=BOTH, tables=ANY, chains=EVERY, protos=(), live=True):
    return ("target", name, families, tables, chains, protos, template, live)


ROWS = [
    match("addrtype", "~--{src|dst}-type " + TYPES4, V4), match("addrtype", "~--{src|dst}-type " + TYPES, V6),
    match("addrtype", "~--src-type LOCAL ~--dst-type UNICAST"),
    match("addrtype", "~--dst-type {LOCAL|UNICAST} --limit-iface-in", chains=("PREROUTING", "INPUT")),
    match("addrtype", "~--src-type {LOCAL|UNICAST} --limit-iface-out", chains=LOCAL), match("addrtype", "~--dst-type {LOCAL|UNICAST} --limit-iface-{in|out}", chains=("FORWARD",)),
    match("ah", "~--ahspi {<0-4294967295>|1:500|0x01010101|:7|9:}", V4, protos=("ah",)),
    match("ah", "~--ahspi {<0-4294967295>|1:500|0x01010101}[ ~--ahlen {12|16|24|<0-1024>}][ --ahres]", V6), match("ah", "~--ahlen <0-1024>", V6), match("ah", "--ahres", V6),
    match("bpf", '--bytecode "{4,48 0 0 9,21 0 1 17,6 0 0 1,6 0 0 0|4,128 0 0 0,37 0 1 60,6 0 0 0,6 0 0 1|1,6 0 0 <0-1>|4,72 0 0 2,53 0 1 80,6 0 0 1,6 0 0 0|'
          '3,32 0 0 0,100 0 0 4,22 0 0 0|5,177 0 0 0,72 0 0 2,21 0 1 53,6 0 0 65535,6 0 0 0}"'),
    match("cgroup", "~--cgroup <0-3>", chains=LOCAL + ("INPUT",), live=False),
    match("cluster", "--cluster-total-nodes {2|3|4} ~--cluster-local-node <1-2> --cluster-hash-seed {1|0xdeadbeef|<0-4294967295>}", tables=("mangle", "filter")),
    match("cluster", "--cluster-total-nodes 4 ~--cluster-local-nodemask {1|3|0xa} --cluster-hash-seed <0-9>", tables=("mangle", "filter")),
    match("comment", '--comment "{a|two words|it\'s|x\\"y|#|}"'),
    match("connbytes", "~--connbytes {2|1:3|0:100|60:200|<0-1000>|:5} --connbytes-dir {original|reply|both} --connbytes-mode {packets|bytes|avgpkt}", tables=TRACKED),
    match("connlabel", "~--label {0|5|127}[ --set]", tables=TRACKED),
    match("connlimit", "--connlimit-{upto|above} <0-4>[ --connlimit-mask {0|16|24|32}][ --connlimit-{s|d}addr]", tables=TRACKED),
    match("connmark", "~--mark " + MARK, tables=TRACKED),
    match("conntrack", "~--ctstate {" + STATE[1:-1] + "|SNAT|DNAT|SNAT,DNAT,NEW}", tables=TRACKED + ("nat",)), match("state", "~--state " + STATE, tables=TRACKED + ("nat",)),
    match("conntrack", "~--ctproto {tcp|udp|1|58|132|47|0x11|icmp|255}", tables=TRACKED),
    match("conntrack", "~--ct{orig|repl}{src|dst} %a[ ~--ctorigsrcport " + PORT + "]", tables=TRACKED),
    match("conntrack", "~--ct{orig|repl}{src|dst}port " + PORT + "[ --ctdir {ORIGINAL|REPLY}]", tables=TRACKED),
    match("conntrack", "~--ctstatus {NONE|EXPECTED|SEEN_REPLY|ASSURED|CONFIRMED|SEEN_REPLY,ASSURED|EXPECTED,CONFIRMED}[ ~--ctstate " + STATE + "]", tables=TRACKED),
    match("conntrack", "~--ctexpire {0|0:1000000|500000:|1:2}", tables=TRACKED), match("conntrack", "--ctdir {ORIGINAL|REPLY|original}", tables=TRACKED),
    match("cpu", "~--cpu <100-4096>"), match("cpu", "~--cpu <0-3>", live=False),
    match("dccp", "~--{sport|source-port} " + PORT + "[ ~--{dport|destination-port} " + PORT + "]", protos=("dccp",)), match("dccp", "~--dport " + PORT, protos=("dccp",)),
    match("dccp", "~--dccp-types " + DCCP, protos=("dccp",)), match("dccp", "~--dccp-option {1|5|32|200}", protos=("dccp",)),
    match("devgroup", "~--src-group {0|1/1|5|0xff/0x0f}", chains=IN), match("devgroup", "~--dst-group {0|2/2|7}", chains=OUT),
    match("dscp", "~--dscp {0|0x2e|<0-63>}"), match("dscp", "~--dscp-class {BE|EF|AF11|AF43|CS0|CS1|CS7}"),
    match("ecn", "~--ecn-tcp-{cwr|ece}[ ~--ecn-ip-ect <0-3>]", protos=("tcp",)), match("ecn", "~--ecn-ip-ect <0-3>"), match("ecn", "--ecn-tcp-cwr --ecn-tcp-ece", protos=("tcp",)),
    match("esp", "~--espspi {<0-4294967295>|1:500|0x01010101|:7|9:}", protos=("esp",)), match("eui64", "", V6, chains=IN),
    match("frag", "[~--fragid {0:1000|<0-4294967295>}][ --frag{more|last|first}]", V6), match("frag", "~--fraglen <0-100>[ --fragres]", V6), match("frag", "--fragfirst", V6),
    match("hashlimit", "~--hashlimit-{upto|above} " + HASH_RATE + "[ --hashlimit-burst <1-6>] --hashlimit-name @[ " + HASH_MODE + "] " + HASH_REST),
    match("hashlimit", "~--hashlimit {1/hour|3/hour} --hashlimit-burst <1-6> --hashlimit-name @ " + HASH_MODE + " --hashlimit-htable-expire 600000"),
    match("hashlimit", "--hashlimit-{upto|above} {1kb/s|512b/s|10mb/s} --hashlimit-burst {2kb|64kb} --hashlimit-name @ " + HASH_REST, live=False),
    match("hashlimit", "--hashlimit-{upto|above} {100/hour|60/min} --hashlimit-rate-match[ --hashlimit-rate-interval {1|600}] --hashlimit-burst <1-4> --hashlimit-name @[ " + HASH_MODE + "] --hashlimit-htable-expire 600000", live=False),
    match("hbh", "~--hbh-len {8|16|<0-255>}[ --hbh-opts " + OPTIONS6 + "]", V6), match("dst", "~--dst-len {8|16|<0-255>}[ --dst-opts " + OPTIONS6 + "]", V6),
    match("hbh", "--hbh-opts " + OPTIONS6, V6), match("dst", "--dst-opts " + OPTIONS6, V6), match("hbh", "", V6), match("dst", "", V6),
    match("helper", "~--helper {ftp|sip-5060|tftp|irc|\"\"}", tables=TRACKED),
    match("icmp", "~--icmp-type {any|8|0|3|3/3|11/0|echo-request|redirect|destination-unreachable|ttl-exceeded|<0-254>/<0-255>}", V4, protos=("icmp",)),
    match("icmp6", "~--icmpv6-type {128|129|1/4|3|2|echo-reply|packet-too-big|neighbor-solicitation|ttl-zero-during-transit|<0-254>/<0-255>}", V6, protos=("ipv6-icmp",)),
    match("ipcomp", "~--ipcompspi {<0-65535>|0x100|1:500}[ --compres]", protos=("ipcomp",)), match("ipcomp", "--compres", protos=("ipcomp",)),
    match("iprange", "~--src-range %r[ ~--dst-range %r]"), match("iprange", "~--dst-range %h"),
    match("ipv6header", "~--header {hop|dst|route|frag|auth|esp|none|prot|hop,prot|dst,route,frag|0|proto}[ --soft]", V6),
    match("length", "~--length {40|28:60|0:100|1000:|:1279|<0-65535>}"), match("limit", "--limit {1/hour|1/min|2/day|1/second}[ --limit-burst <1-6>]", live=False),
    match("limit", "--limit 1/hour[ --limit-burst <1-6>]"), match("mac", "~--mac-source {02:00:00:00:00:02|02:00:00:00:01:02|aa-bb-cc-dd-ee-ff}", chains=IN), match("mark", "~--mark " + MARK),
    match("mh", "~--mh-type {binding-refresh-request|binding-update:|0|5|1:6|cot|be|<0-255>}", V6, protos=("mh",)),
    match("multiport", "~--{sports|dports|ports|source-ports|destination-ports} {22|53,80|1000:5000,443|1,2,3,4,5,6,7,8,9,10,11,12,13,14,15|:1023}", protos=("tcp", "udp", "udplite", "sctp", "dccp")),
    match("nfacct", "--nfacct-name web", live=False),
    match("osf", "~--genre {Linux|Windows|unknown|NMAP}[ --ttl <0-2>][ --log <0-2>]", V4, protos=("tcp",), live=False, tables=("raw", "mangle", "filter"), chains=IN),
    match("owner", "~--uid-owner {0|root|0-10|1000}[ ~--gid-owner {0|5-9}][ --suppl-groups]", chains=LOCAL, live=False), match("owner", "~--socket-exists", chains=LOCAL, live=False),
    match("physdev", "~--physdev-in {eth0|br+|eth+}", chains=IN), match("physdev", "~--physdev-out {eth0|eth+} --physdev-is-bridged", chains=("FORWARD",)),
    match("physdev", "~--physdev-is-{in|bridged}", chains=IN), match("physdev", "~--physdev-is-out --physdev-is-bridged", chains=("FORWARD",)),
    match("pkttype", "~--pkt-type {unicast|broadcast|multicast|unicast,bcast|host}"),
    match("policy", "--dir in --pol {none|ipsec}", chains=("PREROUTING", "INPUT", "FORWARD")), match("policy", "--dir out --pol {none|ipsec}", chains=OUT),
    match("policy", "--dir in --pol ipsec --strict ~--reqid 1 ~--spi 0x1 ~--proto {esp|ah} ~--mode tunnel ~--tunnel-dst %h ~--tunnel-src %h --next ~--reqid 2", chains=("INPUT", "FORWARD")),
    match("policy", "--dir out --pol ipsec ~--mode transport ~--reqid <0-9>", chains=OUT),
    match("quota", "~--quota {0|40|100|500|2000|18446744073709551615}"),
    match("rateest", "--rateest q ~--rateest-{lt|gt|eq} --rateest-{bps|pps} {0|1000}", live=False),
    match("rateest", "--rateest1 q --rateest-{lt|gt|eq} --rateest2 r[ --rateest-bps1 10 --rateest-bps2 20]", live=False),
    match("rateest", "--rateest1 q --rateest-delta --rateest-pps1 5 --rateest-{lt|gt|eq} --rateest2 r --rateest-pps2 7", live=False),
    match("rateest", "--rateest q --rateest-delta --rateest-{bps 10 --rateest-pps|pps 5 --rateest-bps} --rateest-gt", live=False),
    match("rateest", "--rateest q --rateest-delta --rateest-bps1 10 --rateest-{lt|gt} --rateest-bps2 5", live=False),
    match("realm", "~--realm {0|1/1|<0-65535>}", V4, chains=("INPUT", "FORWARD", "POSTROUTING")),
    match("recent", "~--set[ --name {a|b|c}][ --{rsource|rdest}][ --mask %m]"), match("recent", "~--remove --name {a|b|c}[ --{rsource|rdest}]"),
    match("recent", "~--{rcheck|update} --name {a|b|c}[ --seconds 600][ --hitcount <1-6>][ --rttl][ --{rsource|rdest}][ --mask %m]"),
    match("recent", "~--{rcheck|update} --name {a|b|c} --seconds 600 --reap[ --hitcount <1-6>]"),
    match("rpfilter", "[--loose][ --validmark][ --accept-local][ --invert]", tables=("raw", "mangle"), chains=("PREROUTING",)),
    match("rt", "~--rt-type {0|2|3|4}[ ~--rt-segsleft {0|1|0:3|<0-255>}][ ~--rt-len {8|24|40}]", V6), match("rt", "~--rt-segsleft {0|1:5}", V6),
    match("rt", "--rt-type 0[ --rt-0-res] --rt-0-addrs %h,%h[ --rt-0-not-strict]", V6), match("rt", "--rt-type 0 --rt-0-res", V6), match("rt", "~--rt-len {8|24|40}", V6),
    match("sctp", "~--{sport|source-port} " + PORT + "[ ~--{dport|destination-port} " + PORT + "]", protos=("sctp",)), match("sctp", "~--dport " + PORT, protos=("sctp",)),
    match("sctp", "~--chunk-types {all|any|only} " + CHUNKS, protos=("sctp",)),
    match("socket", "[--transparent][ --nowildcard][ --restore-skmark]", tables=("mangle", "raw", "filter"), chains=("PREROUTING", "INPUT")),
    match("srh", "~--srh-next-hdr {17|6|58|udp}[ ~--srh-hdr-len-{eq|gt|lt} <0-9>][ ~--srh-segs-left-{eq|gt|lt} <0-4>][ ~--srh-last-entry-{eq|gt|lt} <0-4>]", V6),
    match("srh", "~--srh-tag <0-7>[ ~--srh-psid %a][ ~--srh-nsid %a][ ~--srh-lsid %a]", V6), match("srh", "~--srh-segs-left-{eq|gt|lt} <0-255>", V6),
    match("srh", "~--srh-hdr-len-{eq|gt|lt} <0-255> ~--srh-last-entry-{eq|gt|lt} <0-255>", V6),
    match("statistic", "--mode nth ~--every {1|2|3|<1-1000>}[ --packet 0]"), match("statistic", "--mode random ~--probability {0|1.0}"),
    match("statistic", "--mode random ~--probability {0.5|0.1|0.333333}", live=False),
    match("string", '--algo {bm|kmp} [--from {0|10|20|<0-100>} ]--to {40|60|1000|<0-65535>} ~--{string "abcd"|hex-string "¦00 00 00 00¦"|string "Ab" --icase|hex-string "q¦0a¦"}'),
    match("string", '--algo {bm|kmp} ~--string "{abc|x|two words|a\\"b}"[ --icase]'), match("string", '--algo {bm|kmp} --icase ~--hex-string "¦{00|0a 00|61626364}¦"[ --from <0-60>]'),
    match("tcp", "~--{sport|source-port} " + PORT + "[ ~--{dport|destination-port} " + PORT + "]", protos=("tcp",)), match("tcp", "~--tcp-flags " + FLAGS + " " + FLAGS + "[ ~--dport " + PORT + "]", protos=("tcp",)),
    match("tcp", "~--syn", protos=("tcp",)), match("tcp", "~--tcp-option {1|2|3|4|8|30|<1-255>}", protos=("tcp",)),
    match("tcpmss", "~--mss {1460|0:1000|536:65535|1400}", protos=("tcp",)),
    match("time", "--datestart {1970|2000-02-29|2017-06-01T10:00} --datestop 2037-12-31T23:59:59[ --utc]"), match("time", "--timestart {00:00|00:00:01} --timestop 23:59:59[ ~--weekdays {Mon,Tu,3,4,5,6,7|1,2,3,4,5,6,7}]"),
    match("time", "~--monthdays {1|1,2,31|1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31}[ --kerneltz]"),
    match("time", "--timestart 23:59 --timestop {00:01|12:00:30} --contiguous[ ~--weekdays Sa,Su]", live=False),
    match("tos", "~--tos {0x10|0x10/0xff|0x08/0x3f|0x00/0xff|Minimize-Delay|Normal-Service|Maximize-Reliability}"),
    match("ttl", "~--ttl-eq {63|64|<0-255>}", V4), match("ttl", "--ttl-{lt|gt} {1|2|63|64|<0-255>}", V4), match("ttl", "~--ttl 64", V4),
    match("hl", "~--hl-eq {63|64|<0-255>}", V6), match("hl", "--hl-{lt|gt} {1|2|63|64|<0-255>}", V6), match("hl", "~--hl 64", V6),
    match("u32", '~--u32 "{6&0xff=6|0>>22&0x3c@0>>16=1:1000|20=0:0x7fffffff|2&0xffff=0x100:0x500|0=0x45000000:0x4fffffff&&8>>24=63:64|4>>8&0xff=6,17|40<<2=0:99,0x10000000:}"'),
    match("udp", "~--{sport|source-port} " + PORT + "[ ~--{dport|destination-port} " + PORT + "]", protos=("udp",)), match("udp", "~--dport " + PORT, protos=("udp",)),

    target("AUDIT", "--type {accept|drop|reject}"), target("CHECKSUM", "--checksum-fill", tables=("mangle",)),
    target("CLASSIFY", "--set-class {0:0|1:1|<0-9>:ffff}", tables=("mangle", "filter", "security"), chains=OUT),
    target("CONNMARK", "--set-{x|}mark {0x0|0x1|0x5/0xff|<0-4294967295>/<0-4294967295>}", tables=TRACKED + ("nat",)), target("CONNMARK", "--{and|or|xor}-mark <0-4294967295>", tables=TRACKED),
    target("CONNMARK", "--{save|restore}-mark[ --nfmask <0-4294967295> --ctmask <0-4294967295>][ --{left|right}-shift-mark {0|1|8|31}]", tables=("mangle",)),
    target("CONNMARK", "--{save|restore}-mark --mask {0xff|0xf0}", tables=("mangle",)), target("CONNMARK", "--set-xmark 0x1/0xff --{left|right}-shift-mark 4", tables=("mangle",)),
    target("CONNSECMARK", "--{save|restore}", tables=("mangle", "security"), live=False),
    target("CT", "--notrack", tables=("raw",)), target("NOTRACK", "", tables=("raw",)), target("CT", "--zone{|-orig|-reply} {<1-65535>|mark}", tables=("raw",)),
    target("CT", "--ctevents {new|new,related,destroy,reply,assured,protoinfo,helper,mark,natseqinfo,secmark|destroy,mark}[ --expevents new][ --zone 7]", tables=("raw",)),
    target("CT", "--helper {tftp|amanda|snmp}", tables=("raw",), protos=("udp",)), target("CT", "--helper {ftp|irc}[ --ctevents new,helper]", tables=("raw",), protos=("tcp",)), target("CT", "--expevents new", tables=("raw",)),
    target("CT", "--timeout slow", tables=("raw",), protos=("udp",), live=False),
    target("DNAT", "--to-destination {%h|%r}[ --random][ --persistent]", tables=("nat",), chains=("PREROUTING", "OUTPUT")),
    target("DNAT", "--to-destination %p[ --random][ --persistent]", tables=("nat",), chains=("PREROUTING", "OUTPUT"), protos=("tcp", "udp")),
    target("SNAT", "--to-source {%h|%r}[ --random|--random-fully][ --persistent]".replace("[ --random|--random-fully]", "{| --random| --random-fully}"), tables=("nat",), chains=("POSTROUTING", "INPUT")),
    target("SNAT", "--to-source %p{| --random| --random-fully}[ --persistent]", tables=("nat",), chains=("POSTROUTING", "INPUT"), protos=("tcp", "udp")),
    target("MASQUERADE", "{| --random| --random-fully}", tables=("nat",), chains=("POSTROUTING",)), target("MASQUERADE", "--to-ports {2000-2100|1024}{| --random| --random-fully}", tables=("nat",), chains=("POSTROUTING",), protos=("tcp", "udp")),
    target("NETMAP", "--to %n", tables=("nat",)), target("REDIRECT", "[--random]", tables=("nat",), chains=("PREROUTING", "OUTPUT")),
    target("REDIRECT", "--to-ports {8080|8000-8010}[ --random]", tables=("nat",), chains=("PREROUTING", "OUTPUT"), protos=("tcp", "udp")),
    target("DSCP", "--set-dscp {0|0x2e|<0-63>}", tables=("mangle",)), target("DSCP", "--set-dscp-class {BE|EF|AF11|AF43|CS7}", tables=("mangle",)),
    target("ECN", "--ecn-tcp-remove", V4, tables=("mangle",), protos=("tcp",)), target("ECN", "--ecn-ip-ect <0-3>", V4, tables=("mangle",)),
    target("ECN", "--ecn-tcp-{cwr|ece} <0-1>[ --ecn-ip-ect <0-3>]", V4, tables=("mangle",), protos=("tcp",)), target("ECN", "--ecn-tcp-cwr <0-1> --ecn-tcp-ece <0-1>", V4, tables=("mangle",), protos=("tcp",)),
    target("HMARK", "--hmark-tuple {src,dst,sport,dport,proto|src|dst,proto|sport,dport|ct,src,dst|ct,src,dst,sport,dport,proto} " + KEEP, tables=("mangle",)),
    target("HMARK", "--hmark-src-prefix {24|0xffffff00|<1-32>} --hmark-dst-prefix <1-32>[ --hmark-proto-mask {0xff|0x0f}] " + KEEP, V4, tables=("mangle",)),
    target("HMARK", "--hmark-{s|d}port-mask {0xff00|0xf} " + KEEP, tables=("mangle",), protos=("tcp", "udp")), target("HMARK", "--hmark-src-prefix 48 --hmark-dst-prefix <1-128> --hmark-sport {5|0x35} --hmark-dport {80|0x35} " + KEEP, V6, tables=("mangle",)),
    target("HMARK", "--hmark-spi-mask 0xffff " + KEEP, tables=("mangle",), protos=("esp",)), target("HMARK", "--hmark-spi 0x5 " + KEEP, tables=("mangle",), protos=("esp",)),
    target("IDLETIMER", "--timeout 600 --label @[ --alarm]", tables=TRACKED), target("LED", "--led-trigger-id a[ --led-delay {0|5}][ --led-always-blink]", live=False),
    target("LOG", '[--log-level {debug|7|warning}][ --log-prefix "{p|a b: }"][ --log-tcp-sequence][ --log-tcp-options][ --log-ip-options][ --log-macdecode]', tables=("raw", "mangle", "filter")), target("LOG", "--log-uid", live=False),
    target("MARK", "--set-{x|}mark {0x0|0x1|0x2/0xf|<0-4294967295>/<0-4294967295>}", tables=("mangle", "raw", "filter")), target("MARK", "--{and|or|xor}-mark {0x3|<0-4294967295>}", tables=("mangle",)),
    target("NFLOG", '[--nflog-group <0-2>][ --nflog-prefix "{n|x y}"][ --nflog-size {0|20|100}][ --nflog-threshold <1-9>]', live=False), target("NFLOG", "--nflog-range {1|60}", live=False), target("NFLOG", '--nflog-group {1|2} --nflog-prefix "{n|x y}"'),
    target("NFQUEUE", "--queue-bypass[ --queue-num <0-9>]"), target("NFQUEUE", "--queue-num <0-65535>", live=False), target("NFQUEUE", "--queue-balance {1:4|0:1}[ --queue-cpu-fanout] --queue-bypass"),
    target("RATEEST", "--rateest-name {q|r} --rateest-interval {250ms|1s|500msec} --rateest-ewmalog {1s|2s}", live=False),
    target("REJECT", "[--reject-with {icmp-net-unreachable|icmp-host-unreachable|icmp-port-unreachable|icmp-proto-unreachable|icmp-net-prohibited|icmp-host-prohibited|icmp-admin-prohibited}]", V4, tables=("filter",)),
    target("REJECT", "[--reject-with {icmp6-no-route|icmp6-adm-prohibited|icmp6-addr-unreachable|icmp6-port-unreachable|icmp6-policy-fail|icmp6-reject-route|no-route|adm-prohibited|addr-unreach|port-unreach}]", V6, tables=("filter",)),
    target("REJECT", "--reject-with tcp-reset", tables=("filter",), protos=("tcp",)),
    target("SECMARK", "--selctx system_u:object_r:firewalld_exec_t:s0", tables=("mangle", "security"), live=False),
    target("SNPT", "--src-pfx {fd00::/64|fd00:1::/48} --dst-pfx {fd00:77::/64|fd00:2::/56}", V6, tables=("mangle",), chains=("POSTROUTING", "INPUT")),
    target("DNPT", "--src-pfx {fd00::/64|fd00:1::/48} --dst-pfx {fd00:77::/64|fd00:2::/56}", V6, tables=("mangle",), chains=("PREROUTING", "OUTPUT")),
    target("SYNPROXY", "[--sack-perm][ --timestamp][ --mss {536|1460}][ --wscale <0-14>][ --ecn]", tables=("filter", "mangle"), chains=("INPUT", "FORWARD"), protos=("tcp",), live=False),
    target("TCPMSS", "--clamp-mss-to-pmtu", tables=("mangle",), chains=OUT, protos=("tcp --syn",)), target("TCPMSS", "--set-mss {536|1000|1400|<0-65535>}", tables=("mangle", "filter"), protos=("tcp --syn",)),
    target("TCPOPTSTRIP", "--strip-options {mss|timestamp,wscale|sack-permitted,sack|2,3,4,5,8,19,254|md5}", tables=("mangle",), protos=("tcp",)),
    target("TEE", "--gateway %g[ --oif {eth1|eth2}]", tables=("mangle",)),
    target("TOS", "--set-tos {0x10|0x10/0xff|0x08/0x3f|Minimize-Cost|Normal-Service}", tables=("mangle",)), target("TOS", "--{and|or|xor}-tos <0-255>", tables=("mangle",)),
    target("TPROXY", "--on-port {0|99|http}[ --on-ip %h][ --tproxy-mark {1|0x1/0x1|3/7}]", tables=("mangle",), chains=("PREROUTING",), protos=("tcp", "udp")),
    target("TRACE", "", tables=("raw",)),
    target("TTL", "--ttl-{set|inc|dec} {1|5|64|<1-255>}", V4, tables=("mangle",)), target("HL", "--hl-{set|inc|dec} {1|5|64|<1-255>}", V6, tables=("mangle",)),
]

TOKEN = re.compile(r"\{|\}|\[|\]|\||~|<(\d+)-(\d+)>|%[ahimnpgr]|@|[^{}\[\]|~<%@]+|.", re.S)


class Draw:
    """Draws from templates with one random source, for one family."""

    def __init__(self, rng, v, label=0):
        self.r, self.v, self.label = rng, v, label

    def host(self):
        net, h = self.r.randrange(3), self.r.choice((1, 2, 2, 3, 4))
        return "10.%d.0.%d" % (net, h) if self.v == 4 else "fd00:%s:%x" % ("%d:" % net if net else "", h)

    def special(self, letter):
        r, v = self.r, self.v
        net = r.randrange(3)
        wide = "10.%d.0.0/24" % net if v == 4 else "fd00:%s:/64" % ("%d:" % net if net else "")
        if letter == "m":
            return r.choice(("255.255.255.0", "255.255.0.0", "0.0.0.0") if v == 4 else ("ffff:ffff::", "ffff:ffff:ffff:ffff::", "::"))
        if letter == "p":
            port = r.choice(("8080", "8000-8010", "2000-2100", "80"))
            return "%s:%s" % (self.host(), port) if v == 4 else "[%s]:%s" % (self.host(), port)
        if letter == "r":
            return "-".join(sorted((self.host(), self.host()), key=ipaddress.ip_address))
        if letter == "g":
            return "10.2.0.%d" % r.choice((5, 6)) if v == 4 else "fd00:2::%d" % r.choice((5, 6))
        if letter == "i":
            return r.choice(("eth0", "eth1", "eth+"))
        return wide if letter == "n" else self.host() if letter == "h" else r.choice((wide, self.host(), self.host()))

    def expand(self, template):
        tokens, self.at = [m.group(0) for m in TOKEN.finditer(template)], 0
        text = self.sequence(tokens, ())
        return re.sub(r" +", " ", text).strip().replace("¦", "|")

    def sequence(self, tokens, ends):
        out = ""
        while self.at < len(tokens) and tokens[self.at] not in ends:
            token = tokens[self.at]
            self.at += 1
            if token == "{":
                ways = [self.sequence(tokens, ("|", "}"))]
                while tokens[self.at] == "|":
                    self.at += 1
                    ways.append(self.sequence(tokens, ("|", "}")))
                self.at += 1
                out += self.r.choice(ways)
            elif token == "[":
                inner = self.sequence(tokens, ("]",))
                self.at += 1
                out += inner if self.r.random() < 0.5 else ""
            elif token == "~":
                out += "! " if self.r.random() < 0.3 else ""
            elif token == "@":
                self.label += 1
                out += "n%d" % self.label
            elif token[0] == "%" and len(token) == 2:
                out += self.special(token[1])
            elif token[0] == "<" and token[-1] == ">":
                low, high = (int(x) for x in token[1:-1].split("-"))
                out += str(self.r.choice((low, high, self.r.randint(low, high), self.r.randint(low, min(high, low + 99)))))
            else:
                out += token
        return out


def rows(v, table=None, chain=None, kind=None, live=False):
    """Those that fit. chain USER: reached from anywhere."""
    return [row for row in ROWS if v in row[2] and (not table or table in row[3]) and (not chain or chain in row[4] or chain == "USER" and row[4] == EVERY) and
            (not kind or row[0] == kind) and (row[7] or not live)]


def rule(draw, row, table=None, chain=None, proto=None, more=""):
    """(table, chain, "-A ... ") for one row; @proto: what the rule has already."""
    r = draw.r
    table = table or r.choice([t for t in row[3] if set(HOOKS[t]) & set(row[4])])
    chain = chain or r.choice([h for h in HOOKS[table] if h in row[4]])
    words = ["-A", chain]
    if row[5] and proto is None:
        words += ["-p", r.choice(row[5])]
    if row[0] == "match":
        verdict = r.choice((" -j ACCEPT", " -j DROP", "")) if table != "nat" else ""
        words += ["-m", row[1], draw.expand(row[6]) + verdict]
    else:
        words += ["-j", row[1], draw.expand(row[6])]
    return table, chain, " ".join(w for w in words if w) + more
