"""Commands of FTP and IRC that arrive in two and three TCP segments, without NAT and with it on either side; then the whole command once more."""
from case import Case
from cases.helper_ftp import BOTH, CLIENT, DNAT, HELP, FILTER, SNAT_LONG, Talk
from cases.helper_small import help_rules, number


def cases():
    irc = b"PRIVMSG you :\1DCC SEND file %d 1025 100\1\r\n" % number(CLIENT)
    talks = {"plain": (dict(), ""), "snat": (dict(far="10.1.0.199"), SNAT_LONG), "dnat": (dict(near="10.1.0.9", s="10.2.0.2", outside="eth2"), DNAT),
             "both": (dict(near="10.1.0.9", s="10.2.0.2", outside="eth2", far="10.2.0.100", far_port=2121), BOTH)}
    for side, (ends, nat) in talks.items():
        for helper, first, command in (("ftp", b"USER x\r\n", b"PORT 10,0,0,2,4,1\r\n"), ("ftp", b"USER x\r\n", b"EPRT |1|10.0.0.2|1025|\r\n"), ("irc", b"NICK x\r\n", irc)):
            rules = (HELP + nat + FILTER) if helper == "ftp" else help_rules("irc", "tcp", 21, nat)
            for cuts in ((4,), (len(command) - 1,), (len(command) - 2,), (len(command) // 2,), (6, len(command) - 3)):
                t = Talk(**ends).say(first)
                at = 0
                for cut in cuts + (len(command),):
                    t.say(command[at:cut])
                    at = cut
                t.say(b"NOOP\r\n").say(command).say(b"NOOP\r\n")
                yield Case("%s-%s-%s-%s" % (helper, command[:4].decode().lower(), side, "-".join(map(str, cuts))), t.items, v4=rules, conntrack="on", covers=[helper + " helper", "expectations"])
        for cuts in ((10,), (30,), (41,)):
            answer = b"227 Entering Passive Mode (10,1,0,2,4,2).\r\n"
            t = Talk(**ends).say(b"USER x\r\n").answer(b"220 hello\r\n").say(b"PASV\r\n")
            at = 0
            for cut in cuts + (len(answer),):
                t.answer(answer[at:cut])
                at = cut
            t.answer(b"200 ok\r\n").answer(answer)
            yield Case("ftp-pasv-%s-%d" % (side, cuts[0]), t.items, v4=HELP + nat + FILTER, conntrack="on", covers=["ftp helper", "expectations"])
