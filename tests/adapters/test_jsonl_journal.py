"""The journal: effects happen once, and no record that was written is lost."""

import asyncio
import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from zlib import crc32

import pytest

from evalkit.adapters.jsonl_journal import JsonlJournal
from evalkit.core.errors import JournalError, StorageError
from evalkit.core.failure import Failure
from evalkit.core.types import Completion, Finding, Outcome, TestResult, Verdict


class Effect:
    """Counts how often it really happened."""

    def __init__(self, value):
        self.value, self.times = value, 0

    async def __call__(self):
        self.times += 1
        return self.value


async def once(path, key, value, run="r1"):
    journal = JsonlJournal(path, run)
    effect = Effect(value)
    try:
        return await journal.once(key, type(value), effect), effect.times
    finally:
        journal.close()


FACTS = [
    Completion('text \N{SNOWMAN}\n"quoted"\x00', "m", "stop", 3, None, None, 0.25, 2, Failure.EMPTY_RESPONSE, "d"),
    Verdict(
        accepted=False,
        failure=Failure.TEST_FAILURE,
        findings=(Finding("r", "m", required=False, line=3, excerpt="x", source="test"),),
        score=0.5,
        tests=(TestResult("t", Outcome.MISSING, "gone"),),
    ),
]


@pytest.mark.parametrize("fact", FACTS)
async def test_a_recorded_effect_is_recalled_and_not_repeated(tmp_path, fact):
    path = tmp_path / "run" / "journal.jsonl"
    assert await once(path, "a/1/1/x", fact) == (fact, 1)
    assert await once(path, "a/1/1/x", fact) == (fact, 0)


@pytest.mark.parametrize("cut", [1, 5, 30, 100])
async def test_a_torn_last_line_is_redone_and_the_lines_before_it_stay(tmp_path, cut):
    path = tmp_path / "journal.jsonl"
    for key in ("a", "b"):
        await once(path, key, FACTS[0])
    os.truncate(path, path.stat().st_size - cut)
    assert await once(path, "a", FACTS[0]) == (FACTS[0], 0)
    assert await once(path, "b", FACTS[0]) == (FACTS[0], 1)
    assert await once(path, "b", FACTS[0]) == (FACTS[0], 0)


async def test_a_damaged_earlier_line_is_an_error_with_file_and_line(tmp_path):
    path = tmp_path / "journal.jsonl"
    for key in ("a", "b"):
        await once(path, key, FACTS[0])
    path.write_bytes(path.read_bytes().replace(b"quoted", b"queted", 1))
    with pytest.raises(JournalError, match=r"journal\.jsonl:2: not a record \(checksum\)"):
        JsonlJournal(path, "r1")


@pytest.mark.parametrize(
    "torn", [bytes(4096), b"\0\n" * 3, b'{"crc":"00000000","record":{"key":"c"}}\n{"crc"', b"\n\n"]
)
async def test_a_torn_last_group_is_redone_and_what_was_before_it_stays(tmp_path, torn):
    path = tmp_path / "journal.jsonl"
    for key in ("a", "b"):
        await once(path, key, FACTS[0])
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert await once(path, "b", FACTS[0]) == (FACTS[0], 0)
    assert path.read_bytes() == whole
    last = whole.rindex(b"\n", 0, -1)
    path.write_bytes(whole[:last].replace(b"quoted", b"queted") + b"\n" + whole[last + 9 :] + torn)
    assert await once(path, "a", FACTS[0]) == (FACTS[0], 1), (
        "all that is damaged at the end is redone, and nothing else"
    )


async def test_a_journal_of_another_run_or_version_is_refused(tmp_path):
    path = tmp_path / "journal.jsonl"
    await once(path, "a", FACTS[0])
    with pytest.raises(JournalError, match="of run 'r1', not of 'r2'"):
        JsonlJournal(path, "r2")
    (tmp_path / "other").write_text("hello\nworld\n")
    with pytest.raises(JournalError, match="other:1"):
        JsonlJournal(tmp_path / "other", "r1")


async def test_a_second_process_on_the_same_run_is_refused(tmp_path):
    journal = JsonlJournal(tmp_path / "journal.jsonl", "r1")
    with pytest.raises(JournalError, match="another evalkit process"):
        JsonlJournal(tmp_path / "journal.jsonl", "r1")
    journal.close()
    JsonlJournal(tmp_path / "journal.jsonl", "r1").close()


async def test_an_effect_counts_only_once_its_record_is_synced(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    journal, written, synced, sync = JsonlJournal(path, "r1"), threading.Event(), threading.Event(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (written.set(), synced.wait(20), sync(file)))
    one = asyncio.create_task(journal.once("k", Completion, Effect(Completion("paid"))))
    await asyncio.to_thread(written.wait, 20)
    assert len(path.read_bytes().splitlines()) == 2  # it is in the file, and may still be lost
    assert not one.done()
    assert journal.recorded() == ()
    synced.set()
    assert await one == Completion("paid")
    assert journal.recorded() == ("k",)
    journal.close()


async def test_records_of_many_climbs_at_once_are_synced_in_groups(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    journal, syncs, sync = JsonlJournal(path, "r1"), [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (time.sleep(0.01), syncs.append(sync(file))))
    effects = {f"{n}": Effect(Completion(f"answer {n}")) for n in range(100)}
    await asyncio.gather(*(journal.once(key, Completion, effect) for key, effect in effects.items()))
    journal.close()
    assert len(syncs) < 20
    assert len(path.read_text().splitlines()) == 101
    assert await once(path, "77", Completion("other")) == (Completion("answer 77"), 0)


async def test_what_came_while_others_are_synced_is_in_the_file_at_once_so_that_a_kill_loses_none(
    tmp_path, monkeypatch
):
    path = tmp_path / "journal.jsonl"
    journal, syncing, synced, sync = JsonlJournal(path, "r1"), threading.Event(), threading.Event(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (syncing.set(), synced.wait(20), sync(file)))
    climbs = [asyncio.create_task(journal.once("first", Completion, Effect(FACTS[0])))]
    await asyncio.to_thread(syncing.wait, 20)
    climbs += [asyncio.create_task(journal.once(f"{n}", Completion, Effect(FACTS[0]))) for n in range(20)]
    await asyncio.sleep(0)
    killed = path.read_bytes()  # what a process that is killed now would leave
    synced.set()
    await asyncio.gather(*climbs)
    journal.close()
    left = tmp_path / "left.jsonl"
    left.write_bytes(killed)
    assert [await once(left, f"{n}", Completion("paid again")) for n in range(20)] == [(FACTS[0], 0)] * 20


async def test_a_disk_that_fails_while_it_syncs_costs_what_was_not_on_it_and_that_is_said(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    await once(path, "a", FACTS[0])
    before, journal, sync = path.read_bytes(), JsonlJournal(path, "r1"), os.fsync

    def fails(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    lost = [asyncio.create_task(journal.once(f"{n}", Completion, Effect(FACTS[0]))) for n in range(5)]
    found = await asyncio.gather(*lost, return_exceptions=True)
    assert all(isinstance(one, StorageError) and "Input/output error" in str(one) for one in found), found
    assert (journal.recorded(), path.read_bytes()) == (("a",), before)
    monkeypatch.setattr(os, "fsync", sync)
    assert await journal.once("b", Completion, Effect(FACTS[0])) == FACTS[0]  # the disk works again
    journal.close()
    assert await once(path, "b", Completion("paid again")) == (FACTS[0], 0)


async def test_of_two_who_do_the_same_effect_at_once_both_get_the_first_result_and_none_waits_for_ever(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal, both_in = JsonlJournal(path, "r1"), asyncio.Barrier(2)

    async def answer(text):
        await both_in.wait()
        return Completion(text)

    async with asyncio.timeout(20):
        found = await asyncio.gather(*(journal.once("a", Completion, answer, text) for text in ("one", "other")))
    journal.close()
    assert found[0] == found[1]
    assert await once(path, "a", Completion("third")) == (found[0], 0)
    assert len(path.read_text().splitlines()) == 2


async def test_what_was_paid_for_is_recorded_though_its_climb_is_cancelled(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    journal, sync = JsonlJournal(path, "r1"), os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (time.sleep(0.1), sync(file)))
    climbs = [asyncio.create_task(journal.once(f"{n}", Completion, Effect(FACTS[0]))) for n in range(20)]
    await asyncio.sleep(0.02)
    for climb in climbs:
        climb.cancel()
    await asyncio.gather(*climbs, return_exceptions=True)
    assert all(f"{n}" in journal for n in range(20))
    assert await journal.once("19", Completion, Effect(None)) == FACTS[0]
    journal.close()
    assert [await once(path, f"{n}", FACTS[0]) for n in range(20)] == [(FACTS[0], 0)] * 20


async def test_an_effect_that_raises_is_not_recorded(tmp_path):
    journal = JsonlJournal(tmp_path / "journal.jsonl", "r1")

    async def outage():
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await journal.once("a", Completion, outage)
    assert "a" not in journal


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from evalkit.adapters.jsonl_journal import JsonlJournal
from evalkit.core.errors import StorageError
from evalkit.core.types import Completion

async def main():
    journal = JsonlJournal(Path(sys.argv[1]), "r1")
    size = Path(sys.argv[1]).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 60, resource.RLIM_INFINITY))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    async def answer():
        return Completion("x" * 500)
    for key in ("b", "c"):
        try:
            await journal.once(key, Completion, answer)
        except StorageError as error:
            print(error)
    journal.close()

asyncio.run(main())
"""


async def test_a_full_disk_is_said_each_time_and_what_was_recorded_stays(tmp_path):
    path = tmp_path / "journal.jsonl"
    await once(path, "a", FACTS[0])
    before = path.read_bytes()
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("What was recorded is intact")) == (0, 2), done.stderr
    assert path.read_bytes() == before
    assert await once(path, "a", FACTS[0]) == (FACTS[0], 0)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="writable"):
        JsonlJournal(tmp_path / "file" / "journal.jsonl", "r1")


WRITER = """
import asyncio, sys
from pathlib import Path
from evalkit.adapters.jsonl_journal import JsonlJournal
from evalkit.core.types import Completion

async def main():
    journal = JsonlJournal(Path(sys.argv[1]), "r1")
    async def answer(n):
        return Completion("x" * (n * 37 % 4000))
    for n in range(100_000):
        await journal.once(f"i/{n}", Completion, answer, n)
        print(n, flush=True)

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_writer_killed_at_50_random_moments_loses_no_record_that_it_reported(tmp_path):
    path = tmp_path / "journal.jsonl"
    chance = random.Random(7)
    reported = -1
    for _ in range(50):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout.readline()
        time.sleep(chance.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL)
        lines = writer.stdout.read().splitlines()
        writer.wait()
        whole = [int(line) for line in lines if line.isdigit()]
        reported = max([reported, *whole[:-1]])  # the last number may itself be torn
        journal = JsonlJournal(path, "r1")
        assert all(f"i/{n}" in journal for n in range(reported + 1))
        journal.close()
    assert reported > 50


async def test_any_bit_that_flips_is_noticed_with_nothing_changed_or_costs_the_last_record_alone(tmp_path):
    path = tmp_path / "journal.jsonl"
    for key in ("a", "b", "c"):
        await once(path, key, FACTS[0])
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for place in range(len(whole)):
        for bit in range(8) if whole[place] in b"\n{" else (place % 8,):  # where lines begin and end, all of them
            damaged = whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :]
            path.write_bytes(damaged)
            try:
                journal = JsonlJournal(path, "r1")
            except JournalError:
                assert path.read_bytes() == damaged, (place, bit)
                continue
            assert (place >= last, path.read_bytes()) == (True, whole[:last]), (place, bit)
            journal.close()
    assert await once(path, "b", FACTS[0]) == (FACTS[0], 0)


STRANGE = {
    "a record without a key": {"value": 1},
    "a list": [1],
    "a key that is no text": {"key": 1, "value": 1},
    "an answer of another kind": {"key": "a", "value": {"text": 7}},
    "no value": {"key": "a"},
}


@pytest.mark.parametrize("name", STRANGE)
async def test_whole_lines_that_are_not_this_versions_are_told_with_file_and_line(tmp_path, name):
    path = tmp_path / "journal.jsonl"
    await once(path, "z", FACTS[0])
    record = json.dumps(STRANGE[name], separators=(",", ":")).encode()
    path.write_bytes(path.read_bytes() + b'{"crc":"%08x","record":%s}\n' % (crc32(record), record))
    with pytest.raises(JournalError, match=r"journal\.jsonl:3: .*version"):
        await once(path, "a", FACTS[0])
