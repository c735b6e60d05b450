# SPDX-License-Identifier: Apache-2.0
"""PyMI's own functional tests, which come with it, run unmodified on the model."""

from tests.contract.two_hosts import TwoHostsTest

# Those that cannot pass, with what the model refuses.
REFUSED = {
    "test_basic_ops.BasicOpsTestCase.test_invoke_method": "no class Win32_ProcessStartup in root/cimv2",
    "test_timeouts.OperationTimeoutTestCase.test_invoke_method": "no class Cim_DataFile in root/cimv2",
    "test_timeouts.OperationTimeoutTestCase.test_modify_delete": "no class Cim_DataFile in root/cimv2",
    "test_timeouts.OperationTimeoutTestCase.test_query": "there is no Windows around HV1",
}
# They expect Windows to need longer than 1 ms or 100 ms for an answer; the model does now and then.
RACES = {
    "test_timeouts.OperationTimeoutTestCase.test_associators",
    "test_timeouts.OperationTimeoutTestCase.test_per_session_timeouts",
}


class PyMITest(TwoHostsTest):
    facts = ({},)

    def test_functional_tests(self):
        passed, failed = self.programs[0].run(
            f"""
            import unittest

            def cases(suite):
                for part in suite:
                    yield from cases(part) if isinstance(part, unittest.TestSuite) else [part]

            package = "wmi.tests.functional."
            loaded = unittest.defaultTestLoader.loadTestsFromNames(
                [package + "test_basic_ops", package + "test_timeouts"]
            )
            named = {{case.id().removeprefix(package): case for case in cases(loaded)}}
            races = {sorted(RACES)!r}
            result = unittest.TestResult()
            unittest.TestSuite(case for name, case in named.items() if name not in races).run(result)
            bad = result.errors + result.failures
            failed = {{case.id().removeprefix(package): text for case, text in bad}}
            said = sorted(named.keys() - failed.keys() - set(races)), failed
            """
        )
        self.assertEqual(
            [
                f"test_basic_ops.BasicOpsTestCase.{name}"
                for name in ("test_associators", "test_new_conn_invalid_creds", "test_query")
            ],
            passed,
            failed,
        )
        self.assertEqual(set(REFUSED), set(failed))
        for name, words in REFUSED.items():
            self.assertIn(words, failed[name], name)
