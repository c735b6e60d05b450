# SPDX-License-Identifier: Apache-2.0
"""Publishes what a build left behind as pages.

All of it was written, or could have been, by code under review: nothing is believed, followed or shown
unescaped.

================ ==================================================================
``folder``       reads files of the build, none of them outside of its folder
``playbooks``    when each play ran, and which tasks failed, from job-output.json
``tempest``      which tests failed, from the results that the job kept
``surroundings`` what nova-compute and Windows logged around a failed test
``nightly``      whether a test passed in the last nightly, without the change
``cause``        what a reader wants to know first
``host``         what the run left on the Hyper-V host
``publish``      copies the files and makes a page of each that is text
``page``         the page of the build, and the one of its tests
================ ==================================================================
"""
