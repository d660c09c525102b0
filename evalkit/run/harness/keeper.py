"""Inside the sandbox: holds nonce and channel out of the candidate's reach, and passes on what the tests' process says.

Started as `python -P -c KEEPER WITNESS SUITE`. The nonce is read after the fork and never enters the child; a
process that is not dumpable shows its memory, descriptors and environment to no other of the same user. See
docs/sandbox.md for what this holds off.
"""

import ctypes
import json
import marshal
import os
import select
import sys
from _blake2 import blake2b  # hashlib would load OpenSSL
from collections.abc import Iterator
from typing import Any

PR_SET_DUMPABLE = 4
MAC = 16


def main() -> None:
    """Fork, read the job, let the child go on, pass on its reports, leave as it left."""
    _set_dumpable(0)
    (their_key, our_key), (our_reports, their_reports) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        _set_dumpable(1)
        os.close(our_key)
        os.close(our_reports)
        _run_suite(their_key, their_reports)
    os.close(their_key)
    os.close(their_reports)
    nonce = json.load(sys.stdin)["nonce"]
    key = os.urandom(32)
    os.write(our_key, key)  # until now the child waits: the candidate runs after the nonce has been read
    os.close(our_key)
    for record in _authentic(_messages(our_reports, child), key):
        os.write(1, f"\n{nonce} {json.dumps(record)}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.write(1, f"\n{nonce} {json.dumps({'ended': code})}\n".encode())
    os._exit(code if code >= 0 else 128 - code)


def _set_dumpable(value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE) failed")


def _run_suite(key: int, reports: int) -> None:
    """In the child: what stdout was is closed, so that no descriptor leads to the host but through the keeper."""
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    witness: dict[str, Any] = {"__name__": "evalkit_witness"}
    suite: dict[str, Any] = {"__name__": "evalkit_suite"}
    exec(compile(sys.argv[1], "evalkit_witness", "exec"), witness)  # noqa: S102  ours, not the candidate's
    exec(compile(sys.argv[2], "evalkit_suite", "exec"), suite)  # noqa: S102
    if sys.argv[3:]:
        edited = json.loads(sys.argv[3])
        suite.update(OURS=frozenset(edited["ours"]), MODULES=frozenset(edited["modules"]))
    del sys.argv[1:]
    witness["swear_in"](key, reports, suite)
    suite["main"]()


def _messages(reports: int, child: int) -> Iterator[bytes]:
    """Whole messages: four bytes of length, then so many. Ends with the child, whoever else holds the pipe open."""
    handle = os.pidfd_open(child)
    poll, kept, over = select.poll(), b"", False
    poll.register(reports, select.POLLIN)
    poll.register(handle, select.POLLIN)
    os.set_blocking(reports, False)
    while not over:
        over = handle in dict(poll.poll())  # looked at first: what was written before the end is still read below
        try:
            while chunk := os.read(reports, 65536):
                kept += chunk
                while len(kept) >= 4 + (size := int.from_bytes(kept[:4], "big")):
                    yield kept[4 : 4 + size]
                    kept = kept[4 + size :]
            poll.modify(reports, 0)  # closed by all
        except BlockingIOError:
            continue
    if kept:
        yield kept


def _authentic(messages: Iterator[bytes], key: bytes) -> Iterator[object]:
    """Records that carry their number and a code made with the key; the first that does not is the last."""
    for number, message in enumerate(messages):
        code, body = message[:MAC], message[MAC:]
        if code != blake2b(number.to_bytes(8, "big") + body, key=key, digest_size=MAC).digest():
            yield {"forged": "a report that the tests did not make"}
            break
        yield marshal.loads(body)  # noqa: S302  made by our own code in the child: the code proves it
    for _ in messages:  # so that the child does not wait for ever on a full pipe
        pass


if __name__ == "__main__":
    main()
