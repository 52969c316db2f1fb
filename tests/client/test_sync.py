"""The face for programs without a loop: threads, forks, a million steps, and ends that nobody waits for."""

import functools
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hub.client import Client, HubRefused, JobCancelled, Pace, State, fold
from tests.processes import HubProcess

ROOT = Path(__file__).parents[2]
QUICK = Pace(shortest_s=0.01, longest_s=0.1)


numbers = itertools.count()


@pytest.fixture
def project():
    return f"p{next(numbers)}"


def script(text, process, *, code=0, **environment):
    """Run a program of its own; its output."""
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, env=os.environ | {"HUB_URL": process.url} | environment,
        capture_output=True, text=True, timeout=40,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


def test_a_million_steps_are_counted_to_the_last(hub, project):
    with hub.job("walk", project=project) as job:
        assert sum(1 for _ in job.track(range(1_000_000))) == 1_000_000
    state = hub.state(job.id)
    assert (state.state, state.progress.current, state.progress.total) == (State.SUCCEEDED, 1_000_000, 1_000_000)


def test_many_threads_count_one_job_and_none_is_lost(hub, project):
    with hub.job("walk", project=project, total=40_000) as job:
        threads = [threading.Thread(target=lambda: [job.advance() for _ in range(10_000)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert hub.state(job.id).progress.current == 40_000


def test_many_threads_have_jobs_of_their_own(hub, project):
    def work(n):
        for _ in hub.track(range(100), f"kind{n}", project=project):
            pass
        assert hub.jobs(project=project, kind=f"kind{n}")[0].state is State.SUCCEEDED

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {state.kind for state in hub.jobs(project=project, state="succeeded")} == {f"kind{n}" for n in range(8)}


def test_a_watch_is_a_plain_loop(hub, project):
    with hub.job("walk", project=project) as job:
        job.stage("one")
    kinds = [message["type"] for message in hub.watch(job=job.id)]
    assert kinds == ["snapshot"]
    assert hub.wait(job.id).state is State.SUCCEEDED


def test_a_wait_ends_with_the_job_or_with_its_time(hub, project):
    with hub.job("walk", project=project) as job:
        job.stage("one")
        while not hub_knows(hub, project):
            pass
        with pytest.raises(TimeoutError):
            hub.wait(job.id, 0.2)


def hub_knows(hub, project):
    try:
        return bool(hub.project(project))
    except HubRefused:
        time.sleep(0.01)
        return False


def test_a_cancel_on_the_hub_ends_the_loop(hub, project):
    seen = []

    def work():
        with job:
            for n in job.track(itertools.count()):
                seen.append(n)
                time.sleep(0.01)
                if n == 50:
                    while not hub_knows(hub, project):
                        pass
                    hub.cancel(job.id)

    job = hub.job("walk", project=project, id=f"{project}-job", silence_s=5)
    with pytest.raises(JobCancelled):
        work()
    assert 50 < len(seen) < 2000
    assert hub.wait(job.id, 10).state is State.CANCELLED
    assert job.cancelled


def test_a_client_that_was_closed_can_be_used_again(hub, project):
    for n in range(2):
        with hub.job("walk", project=project, id=f"{project}-{n}"):
            pass
        assert hub.state(f"{project}-{n}").state is State.SUCCEEDED
        hub.close()


FORKING = """
import os, sys
from hub.client import Client
with Client.sync() as hub, hub.job("parent", project="{project}", total=10) as job:
    hub.jobs(project=None)
    child = os.fork()
    if child == 0:
        job.update(9)                       # the parent's: it goes nowhere
        job.log("from the child")
        with hub.job("child", project="{project}") as mine:
            mine.update(1)
        assert mine.told.result(10)
        assert hub.state(mine.id).state == "succeeded"
        sys.exit(7)                         # through the parent's blocks, which end nothing here
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    job.update(3)
"""


def test_a_forked_child_has_jobs_of_its_own_and_leaves_its_parents_alone(process, hub, project):
    done = script("import warnings; warnings.simplefilter('ignore')\n" + FORKING.format(project=project), process)
    assert "Traceback" not in done.stderr
    states = {state.kind: state for state in hub.jobs(project=project)}
    assert {kind: (state.state, state.progress.current) for kind, state in states.items()} == {
        "parent": (State.SUCCEEDED, 3),
        "child": (State.SUCCEEDED, 1),
    }


def test_one_line_is_enough_and_the_program_ends_at_once(process, hub, project):
    text = f"from hub.client import track\nfor n in track(range(1000), 'walk', project='{project}'): pass\n"
    script(text, process)
    (state,) = hub.jobs(project=project)
    assert (state.state, state.progress.current) == (State.SUCCEEDED, 1000)


def test_a_program_that_ends_in_its_loop_leaves_no_job_behind(process, hub, project):
    text = (
        f"from hub.client import track\nfor n in track(range(1000), 'walk', project='{project}'):\n  if n == 9: 1/0\n"
    )
    script(text, process, code=1)
    (state,) = hub.jobs(project=project)
    assert state.state in {State.CANCELLED, State.FAILED}


def test_without_a_hub_a_program_runs_as_fast_and_says_so_once(process, project):
    text = f"""
import time
from hub.client import Client
began = time.monotonic()
with Client.sync("http://127.0.0.1:9", flush_s=0.3) as hub:
    for n in hub.track(range(200_000), "walk", project="{project}"): pass
print(time.monotonic() - began)
"""
    done = script(text, process)
    assert float(done.stdout) < 5
    assert done.stderr.count("may be lost") == 1
    assert "Traceback" not in done.stderr


def test_a_program_that_is_killed_is_noticed(process, hub, project):
    text = f"""
import time
from hub.client import Client
hub = Client.sync()
job = hub.job("walk", project="{project}", id="{project}-dead", silence_s=1).begin()
job.update(5, total=10)
while hub.state(job.id).progress is None: time.sleep(0.01)
print("there", flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", "import contextlib\n" + RETRYING + text], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"HUB_URL": process.url},
    ) as program:  # fmt: skip
        assert program.stdout.readline() == "there\n"
        program.send_signal(signal.SIGKILL)
    state = hub.wait(f"{project}-dead", 20)
    assert (state.state, state.error.code, state.progress.current) == (State.FAILED, "publisher_silent", 5)


RETRYING = """
from hub.client import HubRefused
from hub.client.sync import SyncClient
asked = SyncClient.state
def state(self, job):
    import time
    while True:
        try:
            return asked(self, job)
        except HubRefused:
            time.sleep(0.01)
SyncClient.state = state
"""


def test_a_client_that_is_closed_ends_the_watches_of_other_threads(process, project):
    hub = Client.sync(process.url)
    hub.create_project(id=project)
    began, ended = threading.Event(), []

    def watch():
        try:
            for _ in hub.watch(project):
                began.set()
        except RuntimeError as exc:
            ended.append(str(exc))

    watching = threading.Thread(target=watch)
    watching.start()
    assert began.wait(20)
    hub.close()
    watching.join(20)
    assert ended == ["the client was closed"]


def test_a_watch_goes_on_through_a_restart(tmp_path):
    process = HubProcess(tmp_path, "--drain-s", "0.1")
    try:
        with Client.sync(process.url, pace=QUICK, flush_s=20) as hub:
            hub.create_project(id="x")
            seen = []

            def watch():
                for message in hub.watch("x"):
                    seen.append(message)
                    ended = [job for job in message.get("jobs", ()) if job["state"] == "succeeded"]
                    if ended or message.get("state") == "succeeded":
                        return

            watching = threading.Thread(target=watch)
            watching.start()
            with hub.job("walk", project="x") as job:
                job.stage("one")
                process.stop(signal.SIGKILL)
                job.stage("two")
                process.start()
                job.stage("three")
            watching.join(20)
            assert not watching.is_alive()
        state = functools.reduce(lambda state, message: fold(state, message, job.id), seen, None)
        assert state.state is State.SUCCEEDED
        assert [stage.stage for stage in state.stages] == ["one", "two", "three"]
    finally:
        process.close()


def test_an_end_is_told_also_where_nobody_has_closed_the_client(hub, process, project):
    text = f"""
from hub.client import Client, State
job = Client.sync().job("walk", project={project!r}).begin()
job.update(3, total=3)
job.end(State.SUCCEEDED)
"""
    script(text, process, PYTHONDEVMODE="1")
    assert [(state.state, state.progress.current) for state in hub.jobs(project=project)] == [(State.SUCCEEDED, 3)]


def test_a_client_outlives_an_event_loop(process, project):
    text = f"""
import asyncio
from hub.client import Client
client = Client()
async def main():
    async with client.job("walk", project={project!r}) as job:
        job.update(1)
    print((await client.state(job.id)).state)
asyncio.run(main())
asyncio.run(main())
asyncio.run(client.close())
"""
    done = script(text, process)
    assert (done.stdout, done.stderr) == ("succeeded\nsucceeded\n", "")


@pytest.mark.parametrize(
    "say",
    [lambda job: job.update(3), lambda job: job.log("x"), lambda job: job.advance(), lambda job: list(job.track([1]))],
)
def test_a_job_that_has_not_begun_says_so(hub, project, say):
    job = hub.job("walk", project=project)
    with pytest.raises(RuntimeError, match="has not begun"):
        say(job)


def test_to_begin_twice_is_to_begin(hub, project):
    with hub.job("walk", project=project).begin() as job:
        job.update(1)
    assert len(hub.jobs(project=project)) == 1
    assert hub.state(job.id).seq == 3  # running, 1, succeeded


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"project": 5}, "project must be a text, not 5"),
        ({"project": "x", "id": 5}, "id must be a text, not 5"),
        ({"project": "x", "silence_s": "60"}, "silence_s must be a number of seconds, not '60'"),
        ({"project": "x", "params": [1]}, r"params must be a mapping, not \[1\]"),
        ({"project": "x", "stages": "load"}, "stages must be a list of names or `Stage`s, not 'load'"),
    ],
)
def test_a_word_of_the_wrong_type_is_named(hub, words, said):
    with pytest.raises(TypeError, match=said):
        hub.job("walk", **words)


def test_the_async_face_in_a_plain_block_names_the_other(process):
    with pytest.raises(TypeError, match=r"with Client\.sync"), Client(process.url):
        pass


def test_a_client_that_was_never_closed_leaves_quietly(process):
    done = script("from hub.client import Client\nhub = Client.sync()\nprint(type(hub.jobs()).__name__)", process)
    assert (done.stdout, done.stderr) == ("list\n", "")


def test_a_forked_child_that_exits_leaves_quietly_too(process):
    text = """
import os
from hub.client import Client
hub = Client.sync()
hub.jobs()
child = os.fork()
if child == 0:
    raise SystemExit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = script(text, process)
    assert (done.stdout, done.stderr) == ("7\n", "")
