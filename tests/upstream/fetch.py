"""Sources of the programs that weir stands in for, from Debian's archive through apt-get source; kept in BUILD/upstream, never committed.

apt gets lists and folders of its own, so that the machine's stay as they are.
"""
import glob
import os
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WHERE = os.path.join(os.environ.get("WEIR_BUILD", os.path.join(ROOT, "build")), "upstream")
RELEASE = "bookworm"  # has iptables 1.8.9


def mirror():
    """Where this machine gets its packages, so that a proxy or a mirror works here, too."""
    for path in glob.glob("/etc/apt/sources.list.d/*.sources"):
        for line in open(path, encoding="utf-8"):
            if line.startswith("URIs:") and "security" not in line:
                return line.split()[1]
    return "http://deb.debian.org/debian"


def source(package):
    """The unpacked source's folder; None, with the reason printed, when it cannot be had."""
    done = glob.glob(os.path.join(WHERE, package + "-*/"))
    if done:
        return done[0].rstrip("/")
    apt = os.path.join(WHERE, "apt")
    if not shutil.which("apt-get") or not shutil.which("dpkg-source"):
        print(f"no apt-get or dpkg-source here: {package}'s sources cannot be fetched")
        return None
    os.makedirs(apt + "/lists/partial", exist_ok=True)
    os.makedirs(apt + "/cache/archives/partial", exist_ok=True)
    with open(apt + "/sources.list", "w", encoding="utf-8") as f:
        f.write(f"deb-src {mirror()} {RELEASE} main\n")
    options = ["-o", "Dir::Etc::SourceList=" + apt + "/sources.list", "-o", "Dir::Etc::SourceParts=/dev/null", "-o",
               "Dir::State::Lists=" + apt + "/lists", "-o", "Dir::Cache=" + apt + "/cache", "-o", "APT::Sandbox::User=root"]
    for words in (["update"], ["source", package]):
        done = subprocess.run(["apt-get", "-q"] + options + words, cwd=WHERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            print(f"{package}'s sources cannot be fetched: {done.stdout.strip().splitlines()[-1:]}")
            return None
    done = glob.glob(os.path.join(WHERE, package + "-*/"))
    return done[0].rstrip("/") if done else None


if __name__ == "__main__":
    import sys
    print(source(sys.argv[1]))
