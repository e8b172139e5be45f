"""Mark every exercise of every notebook, several at a time, on this computer's cores or on a Dask scheduler's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from helpers.checks import EXERCISES
from helpers.course.mark.alone import Ended, Limits, run_alone
from helpers.course.mark.answer import Answer, find_answer
from helpers.course.mark.collect import Submission
from helpers.course.mark.store import Mark, Store

if TYPE_CHECKING:
    from distributed import Client, Future

MISSING, BROKEN = "missing", "broken"
# Many exercises wait at a worker, so that none is ever idle, and few enough that any number of notebooks fits.
_WAITING_PER_WORKER = 8
_SENTENCES = {
    "too long": "The answer did not come to its end within the time allowed: an endless loop, for instance.",
    "memory": "The answer asked for more memory than is allowed.",
    "ended by itself": "The answer ended Python itself, as `exit()` does, before it could be checked.",
}


@dataclass(frozen=True)
class Job:
    """One exercise of one student."""

    submission: Submission
    exercise: str
    answer: Answer
    digest: str


@dataclass(frozen=True)
class Rules:
    """What every answer is marked by."""

    seeds: tuple[int, ...]
    limits: Limits
    names: dict[str, str]  # what each exercise's check is handed: {"2": "DotProductAttention"}
    version: str  # of the checks: another one marks everything anew
    points: float = 1.0


def jobs_of(submission: Submission, rules: Rules) -> Iterator[Job]:
    """Yield the exercises of a notebook's lesson, whether or not the notebook still has them."""
    for number, listed in EXERCISES.items():
        if listed.lesson != submission.lesson:
            continue
        others = [rules.names[other] for other, its in EXERCISES.items() if its.lesson == listed.lesson]
        answer = find_answer(submission.notebook, number, rules.names[number])
        answer = replace(answer, others=tuple(name for name in others if name != answer.name))
        told = json.dumps([asdict(answer), rules.seeds, asdict(rules.limits), rules.points, rules.version])
        yield Job(submission, number, answer, hashlib.sha256(told.encode()).hexdigest())


@contextmanager
def cluster(scheduler: str | None, workers: int) -> Iterator[Client]:
    """Connect to a Dask scheduler, or start workers on this computer: processes with one thread each.

    Parameters
    ----------
    scheduler
        Such as "tcp://10.0.0.5:8786". Its workers need this course installed, and
        `DASK_DISTRIBUTED__WORKER__DAEMON=False` in their environment: an answer runs in a child process of theirs.
    workers
        On this computer, where no scheduler is given.
    """
    import dask
    from distributed import Client, LocalCluster

    if scheduler is not None:
        with Client(scheduler, timeout="20s") as client:
            yield client
        return
    settings = {"distributed.worker.daemon": False, "distributed.admin.log-format": "%(message)s"}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as local,
        Client(local) as client,
    ):
        yield client


def mark_all(jobs: Iterator[Job], rules: Rules, client: Client, store: Store, done: Callable[[Job], None]) -> None:
    """Mark what has changed since the last run, keep each mark as it comes, and call `done` for every job."""
    most = _WAITING_PER_WORKER * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    waiting: dict[Future, Job] = {}
    try:
        for job in jobs:
            if job.digest == store.digest(job.submission.student, job.exercise):
                done(job)
            elif job.answer.problem:
                outcome = BROKEN if job.answer.cells else MISSING
                store.keep(_mark(job, rules, {"outcome": outcome, "sentence": job.answer.problem}, 0.0))
                done(job)
            else:
                future = client.submit(_examined, job.answer, job.exercise, rules, pure=False, retries=2)
                waiting[future] = job
                if len(waiting) >= most:
                    _take(waiting, rules, store, done)
        while waiting:
            _take(waiting, rules, store, done)
    finally:
        client.cancel(list(waiting))


def _take(waiting: dict[Future, Job], rules: Rules, store: Store, done: Callable[[Job], None]) -> None:
    """Wait for at least one result, and keep all that have come."""
    from distributed import wait

    for future in wait(list(waiting), return_when="FIRST_COMPLETED").done:
        job = waiting.pop(future)
        ended: Ended = future.result()
        store.keep(_mark(job, rules, _told(ended), ended.seconds))
        done(job)


def _examined(answer: Answer, exercise: str, rules: Rules) -> Ended:
    return run_alone(_examine, answer, exercise, rules.seeds, limits=rules.limits)


def _examine(answer: Answer, exercise: str, seeds: tuple[int, ...]) -> dict[str, Any]:
    from helpers.course.mark.examine import examine  # loads torch: never in the process that only waits

    return examine(answer, exercise, seeds)


def _told(ended: Ended) -> dict[str, Any]:
    if ended.report is not None:
        return dict(ended.report)
    outcome = ended.reason if ended.reason in ("too long", "memory") else "crashed"
    return {"outcome": outcome, "sentence": _SENTENCES.get(ended.reason, f"Python was {ended.reason}.")}


def _mark(job: Job, rules: Rules, report: dict[str, Any], seconds: float) -> Mark:
    return Mark(
        student=job.submission.student,
        lesson=job.submission.lesson,
        exercise=job.exercise,
        points=rules.points if report["outcome"] == "passed" else 0.0,
        outcome=report["outcome"],
        misconception=report.get("misconception"),
        sentence=report["sentence"],
        seconds=round(seconds, 3),
        seed=report.get("seed"),
        source=job.submission.source,
        code=job.answer.cells[job.answer.own] if job.answer.cells else "",
        digest=job.digest,
    )
