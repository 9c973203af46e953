"""Sources of the programs that weir stands in for, from Debian's archive through apt-get source; kept in BUILD/upstream, never committed.

Mirrors do not always hold all of a release. What Debian 12's lacks is asked for where the same archive is kept twice: Ubuntu's pool, whose file must have the sum that
Debian's signed index names; then Debian 13, a version later. A folder that holds unpacked sources (WEIR_UPSTREAM_SOURCES, or a runner's --sources) comes first.
apt gets lists and folders of its own, so that the machine's stay as they are.
"""
import atexit
import functools
import glob
import hashlib
import os
import re
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WHERE = os.path.join(os.environ.get("WEIR_BUILD", os.path.join(ROOT, "build")), "upstream")
RELEASE = "bookworm"  # has iptables 1.8.9
LATER = "trixie"
UBUNTU = "http://archive.ubuntu.com/ubuntu"
UBUNTU_RELEASES = ("noble", "jammy")


def mirror():
    """Where this machine gets its packages, so that a proxy or a mirror works here, too."""
    for path in glob.glob("/etc/apt/sources.list.d/*.sources"):
        for line in open(path, encoding="utf-8"):
            if line.startswith("URIs:") and "security" not in line:
                return line.split()[1]
    return "http://deb.debian.org/debian"


@functools.lru_cache
def archives():
    """Debian's, and those that are asked for what it lacks: of these one that is not believed, only its files that Debian's index names."""
    others = [(Archive(r, f"deb-src [trusted=yes] {UBUNTU} {r} main universe"), True) for r in UBUNTU_RELEASES]
    return Archive(RELEASE, f"deb-src {mirror()} {RELEASE} main"), others + [(Archive(LATER, f"deb-src {mirror()} {LATER} main"), False)]


class Archive:
    """One archive's release, with lists and a cache of its own."""

    def __init__(self, name, line):
        self.at = os.path.join(WHERE, "apt" if name == RELEASE else "apt-" + name)
        self.line = line
        self.why = ""
        self.current = False
        if name != RELEASE:
            atexit.register(shutil.rmtree, self.at, ignore_errors=True)  # its lists are large

    def apt(self, *words, cwd=None):
        options = ["-o", "Dir::Etc::SourceList=" + self.at + "/sources.list", "-o", "Dir::Etc::SourceParts=/dev/null", "-o", "Dir::State::Lists=" + self.at + "/lists",
                   "-o", "Dir::Cache=" + self.at + "/cache", "-o", "APT::Sandbox::User=root", "-o", "Acquire::http::Timeout=20"]
        done = subprocess.run(["apt-get", "-q"] + options + list(words), cwd=cwd or WHERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            self.why = "".join(done.stdout.strip().splitlines()[-1:])
        return done.stdout if not done.returncode else None

    def update(self):
        if self.current:
            return True
        os.makedirs(self.at + "/lists/partial", exist_ok=True)
        os.makedirs(self.at + "/cache/archives/partial", exist_ok=True)
        with open(self.at + "/sources.list", "w", encoding="utf-8") as f:
            f.write(self.line + "\n")
        self.current = self.apt("update") is not None
        return self.current

    def sums(self, package):
        """{name of the upstream archive: its SHA-256}, as the index says."""
        said = self.apt("--print-uris", "-o", "Acquire::ForceHash=SHA256", "source", package) or ""
        return {m[1]: m[2] for m in re.finditer(r"^'\S+' (\S+\.orig\.tar\.\S+) \d+ SHA256:([0-9a-f]{64})", said, re.M) if not m[1].endswith(".asc")}

    def tarball(self, package, sums):
        """Upstream's archive alone, unpacked; with @sums only one of those files."""
        into = os.path.join(self.at, "got")
        os.makedirs(into, exist_ok=True)
        offered = self.sums(package)
        if not offered or (sums is not None and not set(offered.items()) <= set(sums.items())):
            self.why = "another version"
            return None
        if self.apt("source", "--tar-only", "--download-only", package, cwd=into) is None:
            return None
        for name, wanted in offered.items():
            path = os.path.join(into, name)
            with open(path, "rb") as f:
                if hashlib.sha256(f.read()).hexdigest() != wanted:
                    self.why = name + " is another file"
                    return None
            top = subprocess.run(["tar", "tf", path], stdout=subprocess.PIPE, text=True, check=True).stdout.split("/")[0]
            folder = os.path.join(WHERE, "%s-%s" % (package, re.search(r"_([^_]*)\.orig\.", name)[1]))
            subprocess.run(["tar", "xf", path, "-C", into], check=True)
            os.rename(os.path.join(into, top), folder)
            return folder
        return None


def unpacked(folder, package):
    """The folder of @package's sources in @folder: named as Debian or as upstream names it."""
    for name in (package, package.replace("-", "_")):
        done = sorted(p for p in glob.glob(os.path.join(folder, name + "-[0-9]*/")) + glob.glob(os.path.join(folder, name + "/")))
        if done:
            return done[-1].rstrip("/")
    return None


def source(package, given=None):
    """The unpacked source's folder; None, with the reason printed, when it cannot be had."""
    given = given or os.environ.get("WEIR_UPSTREAM_SOURCES")
    done = (given and unpacked(given, package)) or unpacked(WHERE, package)
    if done:
        return done
    if not shutil.which("apt-get") or not shutil.which("dpkg-source"):
        print(f"no apt-get or dpkg-source here: {package}'s sources cannot be fetched")
        return None
    os.makedirs(WHERE, exist_ok=True)
    debian, others = archives()
    if not debian.update():
        print(f"{package}'s sources cannot be fetched: {debian.why}")
        return None
    if debian.apt("source", package) is None:
        why, sums = debian.why, debian.sums(package)
        for archive, only in others:
            if archive.update() and archive.tarball(package, sums if only else None):
                break
        else:
            print(f"{package}'s sources cannot be fetched: {why}")
    return unpacked(WHERE, package)


if __name__ == "__main__":
    import sys
    for name in sys.argv[1:]:
        print(source(name))
