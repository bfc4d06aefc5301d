"""Runs one file of unittest tests and prints `ok - claim` or `not ok - claim` for each."""
import os
import sys
import unittest


class Lines(unittest.TestResult):
    """Prints a line for each test as it ends."""

    def claim(self, test):
        return test.id().replace("_", " ")

    def addSuccess(self, test):
        super().addSuccess(test)
        print("ok - " + self.claim(test), flush=True)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print("skip - %s: %s" % (self.claim(test), reason), flush=True)

    def say_failed(self, test, err):
        print("not ok - " + self.claim(test))
        text = self._exc_info_to_string(err, test)
        print("".join("    " + line + "\n" for line in text.splitlines()[-40:]), end="", flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say_failed(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.say_failed(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.say_failed(subtest, err)


def main():
    path = os.path.abspath(sys.argv[1])
    sys.path.insert(0, os.path.dirname(path))
    name = os.path.splitext(os.path.basename(path))[0]
    suite = unittest.defaultTestLoader.loadTestsFromName(name)
    result = Lines()
    suite.run(result)
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)


main()
