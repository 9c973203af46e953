"""Real sockets of real owners for Sock items: each is opened by a process of its own, which sends through it when told."""
import ctypes
import os
import socket
import struct
import tempfile

libc = ctypes.CDLL(None, use_errno=True)
CGROUP2 = next((d for d in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if os.path.exists(d + "/cgroup.procs")), None)
SO_MARK, SO_BINDTODEVICE, IP_TRANSPARENT, IPV6_TRANSPARENT, IPV6_HDRINCL, TCP_REPAIR = 36, 25, 19, 75, 36, 19
CLONE_NEWNS = 0x00020000


def make_cgroup(path):
    if CGROUP2:
        os.makedirs(os.path.join(CGROUP2, path.strip("/")), exist_ok=True)


def remove_cgroups():
    """What cases made; those that another run still uses stay."""
    top = os.path.join(CGROUP2 or "/nonexistent", "weir-test")
    for base, dirs, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(base)
        except OSError:
            pass


def join_net_cls(classid):
    """A private mount of the net_cls hierarchy, with a group of this number for this process."""
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, 0x44000, None):     # MS_REC | MS_PRIVATE
        raise OSError(ctypes.get_errno(), "mount namespace")
    top = tempfile.mkdtemp(prefix="weir-net_cls-")
    if libc.mount(b"none", top.encode(), b"cgroup", 0, b"net_cls"):
        raise OSError(ctypes.get_errno(), "net_cls")
    group = "%s/weir-test-%x-%d" % (top, classid, os.getpid())      # all processes see the same hierarchy
    os.makedirs(group, exist_ok=True)
    with open(group + "/net_cls.classid", "w") as f:
        f.write(str(classid))
    with open(group + "/cgroup.procs", "w") as f:
        f.write(str(os.getpid()))
    return top, group


def endpoint(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class Opener:
    def __init__(self, sock):
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                self.ours.close()
                self.child(sock, theirs)
                code = 0
            except Exception as e:
                try:
                    theirs.send(("E%s" % e).encode()[:200])
                except OSError:
                    pass
            os._exit(code)
        theirs.close()
        answer = self.ours.recv(256)
        if answer != b"K":
            raise RuntimeError("socket %s: %s" % (sock.name, answer.decode()))

    def child(self, sock, chan):
        mounted = None
        # joining a net_cls group would give its number to inherited sockets, too
        os.closerange(3, chan.fileno())
        os.closerange(chan.fileno() + 1, 4096)
        if sock.cgroup:
            make_cgroup(sock.cgroup)
            with open(os.path.join(CGROUP2, sock.cgroup.strip("/"), "cgroup.procs"), "w") as f:
                f.write(str(os.getpid()))
        if sock.classid:
            mounted = join_net_cls(sock.classid)
        os.setgroups(sock.groups)
        libc.setfsgid(sock.gid)
        libc.setfsuid(sock.uid)
        s = self.open(sock)
        libc.setfsuid(0)
        libc.setfsgid(0)
        chan.send(b"K")
        while True:
            packet = chan.recv(70000)
            if not packet or packet == b"Q":    # a later child may hold our other end: no waiting for its end
                break
            try:
                if packet[0] >> 4 == 6:
                    s.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0, 0, 0))
                else:
                    s.sendto(packet, (socket.inet_ntop(socket.AF_INET, packet[16:20]), 0))
            except OSError:
                pass    # the verdict shows in what was seen
            chan.send(b"D")
        s.close()
        if mounted:
            with open(mounted[0] + "/cgroup.procs", "w") as f:
                f.write(str(os.getpid()))
            os.rmdir(mounted[1])
            libc.umount2(mounted[0].encode(), 2)
            os.rmdir(mounted[0])

    def open(self, sock):
        proto, local = sock.decl.split()[:2]
        six = local.count(":") > 1
        family = socket.AF_INET6 if six else socket.AF_INET
        if proto == "raw" or sock.raw:
            s = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
            if six:
                s.setsockopt(41, IPV6_HDRINCL, 1)
            else:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        else:
            s = socket.socket(family, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.mark:
            s.setsockopt(socket.SOL_SOCKET, SO_MARK, sock.mark)
        if sock.dev:
            s.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, sock.dev.encode())
        if sock.transparent:
            s.setsockopt(41 if six else 0, IPV6_TRANSPARENT if six else IP_TRANSPARENT, 1)
        if six and not sock.raw and proto != "raw":
            s.setsockopt(41, 26, 1 if sock.v6only else 0)   # IPV6_V6ONLY
        if proto == "raw" or sock.raw:
            return s
        if sock.peer and proto == "tcp":
            s.setsockopt(6, TCP_REPAIR, 1)      # established without a packet
        s.bind(endpoint(local))
        if sock.peer:
            s.connect(endpoint(sock.peer))
        elif proto == "tcp":
            s.listen(1)
        return s

    def send(self, packet):
        self.ours.send(packet)
        self.ours.recv(16)

    def close(self):
        try:
            self.ours.send(b"Q")
        except OSError:
            pass
        self.ours.close()
        os.waitpid(self.pid, 0)
