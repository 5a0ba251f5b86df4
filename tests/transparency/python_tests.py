"""Runs tests of Python's own, and writes what came of each to the file `results`, a line each: `outcome  test`.

Takes modules of `test`, or single tests. What tests print goes where they print it; the directory has a file
`details` with what failed and how.
"""
import os
import re
import sys
import unittest

os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
sys.dont_write_bytecode = True
from test import support  # noqa: E402

# Waits for itself without end where a virtual machine's host does not pass on what it sends, with and without a manhole.
LEFT_OUT = {"ThreadedVSOCKSocketStreamTest"}

# Wants the whole process to use next to no processor time for a while: what is done for a client is the process's own.
LEFT_OUT |= {"test_process_time"}


class Result(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.has_failed_part = False

    def note(self, outcome, test, text=""):
        print(outcome, re.sub(" at 0x[0-9a-f]+", "", test.id()), sep="  ", file=results)
        if text:
            print(outcome, test.id(), text, file=details)

    def addSuccess(self, test):
        self.note("fails in part" if self.has_failed_part else "passes", test)

    def addFailure(self, test, error):
        self.note("fails", test, self._exc_info_to_string(error, test))

    def addError(self, test, error):
        self.note("fails", test, self._exc_info_to_string(error, test))

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.has_failed_part = True
            self.note("fails", subtest, self._exc_info_to_string(error, test))

    def addSkip(self, test, reason):
        self.note("is left out", test)

    def addExpectedFailure(self, test, error):
        self.note("fails as expected", test)

    def addUnexpectedSuccess(self, test):
        self.note("passes unexpectedly", test)


def without_those_left_out(suite):
    tests = (without_those_left_out(test) if isinstance(test, unittest.TestSuite) else test for test in suite)
    return unittest.TestSuite(test for test in tests if not LEFT_OUT & {type(test).__name__, getattr(test, "_testMethodName", "")})


def main(names):
    global results, details
    results, details = open("results", "w", buffering=1), open("details", "w", buffering=1)
    support.verbose = 0
    # No network, and nothing that takes very long.
    support.use_resources = {"subprocess"}
    suite = unittest.TestSuite()
    for name in names:
        suite.addTest(unittest.defaultTestLoader.loadTestsFromName(name if name.startswith("test.") else f"test.{name}"))
    without_those_left_out(suite).run(Result())
    print("came", "the end", sep="  ", file=results)


# What multiprocessing starts imports this.
if __name__ == "__main__":
    main(sys.argv[1:])
