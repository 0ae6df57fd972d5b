"""The common suite without pytest: `micropython tests/common/run.py [-v] [MODULE ...]`.

Runs every `test_*` function of the named modules (of all in this folder, if none is named), prints
what fails and then `N passed, N failed`. With -v, each test that passed is named. MICROPYPATH or
PYTHONPATH says where sealcore is. A module is forgotten after its turn, so that the heap need hold
only one.
"""

import gc
import os
import sys

try:
    print_exception = sys.print_exception
except AttributeError:  # CPython
    from traceback import print_exception


def test_modules(folder: str) -> list:
    """Names of the test modules beside this file."""
    return sorted(
        name[:-3]
        for name in os.listdir(folder)
        if name.startswith("test_") and name.endswith(".py")
    )


def attempt(label: str, action):
    """Call action(); on failure, say which one and why, and return None."""
    try:
        return action() or True
    except Exception as error:
        print("FAILED", label)
        print_exception(error)
        return None


def run_module(name: str, verbose: bool) -> tuple:
    """(passed, failed) of one module; one that can't be imported is one failure."""
    gc.collect()
    if attempt(name, lambda: __import__(name)) is None:
        return 0, 1
    module = sys.modules.pop(name)
    passed = failed = 0
    for test in sorted(dir(module)):
        if not test.startswith("test_"):
            continue
        gc.collect()
        label = name + "." + test
        if attempt(label, getattr(module, test)) is None:
            failed += 1
            continue
        passed += 1
        if verbose:
            print("ok", label)
    return passed, failed


def main(arguments: list) -> int:
    """Exit status: 0 if something ran and nothing failed."""
    verbose = "-v" in arguments
    names = [name for name in arguments if name != "-v"] or test_modules(sys.path[0])
    passed = failed = 0
    for name in names:
        counts = run_module(name, verbose)
        passed += counts[0]
        failed += counts[1]
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
