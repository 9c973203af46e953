"""What the tests here count: check() says what failed, done() closes with "N passed, N failed, N skipped"."""
passed = failed = skipped = 0
where = ""      # what all that follows is about: it stands behind the name


def check(name, ok, detail=""):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    if not ok:
        print("FAILED: %s%s\n%s" % (name, " (%s)" % where if where else "", detail), flush=True)
    return bool(ok)


def skip(why):
    global skipped
    skipped += 1
    print("skipped: " + why)


def done():
    """What main() returns."""
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed else 0
