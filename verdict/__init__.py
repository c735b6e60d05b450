# SPDX-License-Identifier: Apache-2.0
"""From results to a vote: infrastructure is not the author's fault.

================== ========================================================================================
``judgement.py``   whether a run that failed was ended by the change or by the infrastructure
``reporter.py``    says so in Gerrit, with no vote, and to the maintainer
``scheduler.py``   zuul-scheduler with that reporter, for which it has no option
``attendant.py``   has such runs repeated once the fault is over
================== ========================================================================================

All of it runs with Zuul's own interpreter.
"""
