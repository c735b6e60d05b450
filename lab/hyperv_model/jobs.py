# SPDX-License-Identifier: Apache-2.0
"""Msvm_ConcreteJob: methods that take time, can fail, and can be killed.

A method that fails does so through a job even if it would have succeeded at once (inferred: os-win and
Microsoft's samples read the reason from the job).
"""

import collections
import dataclasses
import threading
import time
import typing
import uuid

from lab.hyperv_model import embedded
from lab.hyperv_model.cim import age, interval, timestamp
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.providers import computes, provides

V2 = "root/virtualization/v2"

COMPLETED, STARTED = 0, 4096
FAILED, INVALID_PARAMETER, IN_USE, INVALID_STATE = 32768, 32773, 32774, 32775

STATE_RUNNING, STATE_COMPLETED, STATE_TERMINATED, STATE_KILLED, STATE_EXCEPTION = 4, 7, 8, 9, 10

# What a client asks of a job, and the state that it leads to; other requests no job here takes. What a job
# answers are codes of its own (documented for Msvm_ConcreteJob.RequestStateChange).
TERMINATE, KILL = 4, 5
ENDED = {TERMINATE: (STATE_TERMINATED, "Job was terminated"), KILL: (STATE_KILLED, "Job was killed")}
START, SUSPEND, SERVE = 2, 3, 6
UNSUPPORTED_REQUEST, INVALID_REQUEST, INVALID_TRANSITION, TIMEOUT_NOT_SUPPORTED = 1, 5, 4097, 4098

# Methods that answer 4096 and go on as a job (inferred for CreateSnapshot: os-win reads the result from it).
# Documented: each but ApplySnapshot may answer 0 as well, and then is done; the driver's tests take either.
ASYNCHRONOUS = {
    "Msvm_ComputerSystem.RequestStateChange",
    "Msvm_VirtualSystemManagementService.DestroySystem",
    "Msvm_VirtualSystemManagementService.DefineSystem",
    "Msvm_VirtualSystemManagementService.ImportSystemDefinition",
    "Msvm_VirtualSystemManagementService.RealizePlannedSystem",
    "Msvm_VirtualSystemSnapshotService.CreateSnapshot",
    "Msvm_VirtualSystemSnapshotService.ApplySnapshot",
    "Msvm_VirtualSystemSnapshotService.DestroySnapshot",
    "Msvm_VirtualSystemSnapshotService.DestroySnapshotTree",
}

# JobType by method (documented); those of others are unknown here, 0.
JOB_TYPES = {
    "DefineSystem": 1,
    "ModifySystemSettings": 2,
    "DestroySystem": 3,
    "AddResourceSettings": 30,
    "ModifyResourceSettings": 31,
    "RemoveResourceSettings": 32,
    "ImportSystemDefinition": 61,
    "ExportSystemDefinition": 62,
    "CreateSnapshot": 70,
    "ApplySnapshot": 71,
    "DestroySnapshot": 72,
    "ValidatePlannedSystem": 140,
    "RealizePlannedSystem": 141,
}
FAILED_IN_CIM = 1  # CIM_ERR_FAILED (documented for Msvm_Error.CIMStatusCode)

# Finished jobs stay for clients to read (TimeBeforeRemoval, documented as five minutes).
KEEP_SECONDS = 300

# Seconds between two looks of a job's own thread at whether it was killed.
LOOK_EVERY = 0.02


class Killed(Exception):
    """The job whose work this is was killed, or the model is closed."""


class JobFailure(Exception):
    """The work of a job fails.

    :param message: what Hyper-V writes to ErrorDescription
    :param code: ErrorCode, one of this module's return values
    """

    def __init__(self, message: str, code: int = FAILED):
        super().__init__(message)
        self.message = message
        self.code = code


@dataclasses.dataclass
class Fault:
    """A rule that makes the next calls of a method late or failing; see Model.faults.

    :ivar method: ``Class.Method``, or ``library.Function`` of a DLL
    :ivar message: the job's ErrorDescription; None: it does not fail
    :ivar code: the job's ErrorCode, or what the function returns
    :ivar seconds: how long the job takes; None: as long as it would anyway
    :ivar times: how many calls it applies to; it is used up by them
    """

    method: str
    message: str | None = None
    code: int = FAILED
    seconds: float | None = None
    times: int = 1


class Pending(typing.NamedTuple):
    """What is still to happen of a job: when its time is over, and if it is killed."""

    timer: threading.Timer
    cancel: typing.Callable | None
    seconds: float


class Jobs:
    """Runs methods' work, at once or as a job.

    :ivar seconds: how long a job takes that nothing else says the length of
    """

    def __init__(self, store, lock, seconds):
        self.faults = []
        self._store = store
        self._lock = lock
        self.seconds = seconds
        self._timers = set()
        self._pending = {}
        self._finished = collections.deque()
        self._closed = threading.Event()

    def close(self):
        """Drop what is still to happen."""
        self._closed.set()
        with self._lock:
            for timer in self._timers:
                timer.cancel()

    def run(self, method, affected, work, cancel=None, job_type=None):
        """Do the work of a method.

        :param method: ``Class.Method``
        :param affected: the Instances that the job is about (Msvm_AffectedJobElement); the work may add some
        :param work: function without parameters, returns a dict of outputs; raises JobFailure
        :param cancel: function without parameters, called instead of `work` if the job is made fail, and
            at once if it is killed
        :param job_type: the job's JobType; None: that of the method
        :returns: the method's outputs
        """
        fault = self.fault(method)
        seconds = self.seconds if method in ASYNCHRONOUS else 0
        if fault:
            seconds = seconds if fault.seconds is None else fault.seconds
            if fault.message is not None:
                work = _failing(fault, cancel)
        if seconds == 0:
            try:
                return {"ReturnValue": COMPLETED, **(work() or {})}
            except JobFailure as failure:
                job = self._job(method, affected, job_type)
                self._finish(job, STATE_EXCEPTION, failure)
                return {"ReturnValue": STARTED, "Job": job.path}
        job = self._job(method, affected, job_type)
        known = len(affected)

        def run():
            outputs = work()
            self._associate(job, affected[known:])
            return outputs

        with self._lock:
            timer = self.after(seconds, lambda: self._complete(job, run))
            self._pending[job["InstanceID"]] = Pending(timer, cancel, seconds)
        return {"ReturnValue": STARTED, "Job": job.path}

    def run_apart(self, method, affected, work):
        """Do work that takes a while without the model's lock, always as a job, in a thread of its own.

        :param work: function(progress), see Progress; raises JobFailure or Killed
        :returns: the method's outputs
        """
        fault = self.fault(method)
        job = self._job(method, affected)
        progress = Progress(job, self._lock, self._closed, fault or Fault(method), self.seconds)

        def call():
            error = JobFailure("The simulated provider crashed: see its log")
            try:
                work(progress)
                error = None
            except JobFailure as failure:
                error = failure
            except CimError as refusal:
                error = JobFailure(str(refusal))
            except Killed:
                return  # as its state says already
            finally:
                with self._lock:
                    if job["JobState"] == STATE_RUNNING:
                        self._finish(job, STATE_EXCEPTION if error else STATE_COMPLETED, error)

        threading.Thread(target=call, name=method, daemon=True).start()
        return {"ReturnValue": STARTED, "Job": job.path}

    def after(self, seconds, function):
        """Call the function, under the model's lock, when this many seconds have passed.

        In a thread of its own: one that crashes takes nothing else with it.

        :returns: the timer
        """

        def call():
            with self._lock:
                self._timers.discard(timer)
                if not self._closed.is_set():
                    function()

        with self._lock:
            timer = threading.Timer(seconds, call)
            timer.daemon = True
            self._timers.add(timer)
            timer.start()
        return timer

    def end(self, job, request):
        """End a running job, and undo what it began.

        :param request: TERMINATE or KILL
        """
        self._settle(job, *ENDED[request])
        pending = self._pending.pop(job["InstanceID"], None)
        if pending:
            pending.timer.cancel()
            self._timers.discard(pending.timer)
            if pending.cancel:
                pending.cancel()

    def percent(self, job):
        """How far a job is; one that only takes its time, as much as has passed of it."""
        pending = self._pending.get(job["InstanceID"])
        if pending is None:
            return job["PercentComplete"]
        return int(99 * min(1, age(job["StartTime"]) / pending.seconds))

    def fault(self, method):
        """The Fault that this call of a method is to have, if any: it is used up."""
        for fault in self.faults:
            if fault.method.lower() == method.lower() and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    def _job(self, method, affected, job_type=None):
        now = timestamp()
        job = self._store.add(
            V2,
            "Msvm_ConcreteJob",
            InstanceID=str(uuid.uuid4()).upper(),
            Name="Msvm_ConcreteJob",
            Caption=method.split(".")[1],
            Description=f"{method} (simulated)",
            ElementName=method.split(".")[1],
            OperationalStatus=[2],
            StatusDescriptions=["OK"],
            HealthState=5,
            JobState=STATE_RUNNING,
            JobStatus="Job is running",
            PercentComplete=0,
            ErrorCode=0,
            Cancellable=True,
            TimeSubmitted=now,
            StartTime=now,
            TimeOfLastStateChange=now,
            ElapsedTime=interval(0),
            Owner="SYSTEM",
            JobType=JOB_TYPES.get(method.split(".")[1], 0) if job_type is None else job_type,
            LocalOrUtcTime=2,
            DeleteOnCompletion=False,
        )
        self._associate(job, affected)
        return job

    def _associate(self, job, affected):
        for element in affected:
            self._store.add(
                V2, "Msvm_AffectedJobElement", AffectedElement=element.path, AffectingElement=job.path
            )

    def _complete(self, job, work):
        if self._pending.pop(job["InstanceID"], None) is None:
            return  # it was killed just now
        try:
            work()
        except JobFailure as failure:
            self._finish(job, STATE_EXCEPTION, failure)
        except CimError as error:
            self._finish(job, STATE_EXCEPTION, JobFailure(str(error)))
        else:
            self._finish(job, STATE_COMPLETED)
        finally:
            if job["JobState"] == STATE_RUNNING:
                self._finish(job, STATE_EXCEPTION, JobFailure("The simulated provider crashed: see its log"))

    def _finish(self, job, state, failure=None):
        self._settle(job, state, "Job is completed" if failure is None else "Job has failed")
        job["PercentComplete"] = 100
        if failure:
            job.update(
                ErrorCode=failure.code,
                ErrorDescription=failure.message,
                ErrorSummaryDescription=failure.message.split(". ")[0],
            )

    def _settle(self, job, state, status):
        job.update(
            JobState=state,
            JobStatus=status,
            PercentComplete=self.percent(job),
            TimeOfLastStateChange=timestamp(),
            ElapsedTime=interval(age(job["StartTime"])),
        )
        self._finished.append(job)
        if len(self._finished) == 1:
            self.after(KEEP_SECONDS, self._purge)

    def _purge(self):
        """Take away the finished jobs whose time has come, and come back for the next one."""
        while self._finished:
            left = KEEP_SECONDS - age(self._finished[0]["TimeOfLastStateChange"])
            if left > 0:
                self.after(left, self._purge)
                return
            self._store.remove(self._finished.popleft())


class Progress:
    """A job as the thread that does its work sees it."""

    def __init__(self, job, lock, closed, fault, seconds):
        self._job = job
        self._lock = lock
        self._closed = closed
        self._fault = fault
        self._seconds = seconds if fault.seconds is None else fault.seconds

    def check(self):
        """:raises Killed: the job was killed"""
        if self._closed.is_set() or self._job["JobState"] != STATE_RUNNING:
            raise Killed

    def pass_time(self, check=lambda: None):
        """Let the time pass that the job takes.

        :param check: called now and then; what it raises ends the job
        :raises Killed: the job was killed meanwhile
        :raises JobFailure: by a rule, see Fault
        """
        begin = time.monotonic()
        while (passed := time.monotonic() - begin) < self._seconds:
            self.check()
            check()
            self._job["PercentComplete"] = int(99 * passed / self._seconds)
            self._closed.wait(min(LOOK_EVERY, self._seconds - passed))
        if self._fault.message is not None:
            raise JobFailure(self._fault.message, self._fault.code)

    def pass_point_of_no_return(self):
        """From here on the job cannot be killed.

        :raises Killed: it was
        """
        with self._lock:
            self.check()
            self._job["Cancellable"] = False


def _failing(fault, cancel):
    def work():
        if cancel:
            cancel()
        raise JobFailure(fault.message, fault.code)

    return work


@provides("Msvm_ConcreteJob.RequestStateChange")
def request_state_change(model, job, RequestedState, TimeoutPeriod):
    """Terminate and Kill end a running job, each with a state of its own; a time-out is not supported (all
    documented). That a job that cannot be cancelled answers "Not Supported" is inferred from its name.
    """
    if RequestedState not in (START, SUSPEND, SERVE, *ENDED):
        return {"ReturnValue": INVALID_REQUEST}
    if TimeoutPeriod not in (None, interval(0)):
        return {"ReturnValue": TIMEOUT_NOT_SUPPORTED}
    if job["JobState"] != STATE_RUNNING:
        return {"ReturnValue": INVALID_TRANSITION}
    if RequestedState not in ENDED or not job["Cancellable"]:
        return {"ReturnValue": UNSUPPORTED_REQUEST}
    model.jobs.end(job, RequestedState)
    return {}


@provides("Msvm_ConcreteJob.GetError")
def get_error(model, job):
    """Documented: an embedded Msvm_Error of a job that failed or that a client ended, null of any other."""
    if job["JobState"] in (STATE_RUNNING, STATE_COMPLETED):
        return {}
    message = job["ErrorDescription"] or job["JobStatus"]
    error = model.store.build(V2, "Msvm_Error", Message=message, CIMStatusCode=FAILED_IN_CIM)
    return {"Error": embedded.write(error)}


@provides("Msvm_ConcreteJob.GetErrorEx")
def get_error_ex(model, job):
    error = get_error(model, job).get("Error")
    return {"Errors": error and [error]}


@computes("Msvm_ConcreteJob")
def progress(model, job):
    if job["JobState"] == STATE_RUNNING:
        job.update(ElapsedTime=interval(age(job["StartTime"])), PercentComplete=model.jobs.percent(job))
