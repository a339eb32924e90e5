"""Every change that a process makes to a folder, one by one: counted, looked at, and the process killed before one.

The process is a fork of this one, so that what is imported here need not be imported again. A seccomp filter stops it
at each system call that writes, flushes, makes, renames, links or removes, whichever library makes the call; the call
has not been carried out then. So "killed before step n + 1" is "killed after step n", and every state of the disk that
kill -9 can leave behind between two calls is seen. Needs Linux on x86-64.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

_TRACE_ME, _CONTINUE, _SET_OPTIONS = 0, 7, 0x4200
# Threads are traced too, seccomp's stops are told apart, and the process ends with its tracer.
_OPTIONS = 0x8 | 0x80 | 0x100000
_SECCOMP_EVENT = 7
_ALL_THREADS = 0x40000000
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER_MODE = 38, 22, 2
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_TRACE, _ALLOW = 0x7FF00000, 0x7FFF0000
_LONGEST_PATH = 4_096
_HERE = -100


class _Call(NamedTuple):
    """A system call: the places of file descriptors, and of paths with the descriptors that they start from."""

    name: str
    descriptors: tuple[int, ...] = ()
    paths: tuple[tuple[int | None, int], ...] = ()
    flags: int | None = None


_CALLS: Final = {
    1: _Call("write", (0,)),
    2: _Call("open", paths=((None, 0),), flags=1),
    18: _Call("pwrite", (0,)),
    20: _Call("writev", (0,)),
    40: _Call("sendfile", (0,)),
    74: _Call("fsync", (0,)),
    75: _Call("fdatasync", (0,)),
    76: _Call("truncate", paths=((None, 0),)),
    77: _Call("ftruncate", (0,)),
    82: _Call("rename", paths=((None, 0), (None, 1))),
    83: _Call("mkdir", paths=((None, 0),)),
    84: _Call("rmdir", paths=((None, 0),)),
    85: _Call("open", paths=((None, 0),)),
    86: _Call("link", paths=((None, 0), (None, 1))),
    87: _Call("unlink", paths=((None, 0),)),
    88: _Call("symlink", paths=((None, 1),)),
    257: _Call("open", paths=((0, 1),), flags=2),
    258: _Call("mkdir", paths=((0, 1),)),
    263: _Call("unlink", paths=((0, 1),)),
    264: _Call("rename", paths=((0, 1), (2, 3))),
    265: _Call("link", paths=((0, 1), (2, 3))),
    280: _Call("utime", paths=((0, 1),)),
    285: _Call("fallocate", (0,)),
    296: _Call("pwritev", (0,)),
    316: _Call("rename", paths=((0, 1), (2, 3))),
    326: _Call("copy", (2,)),
}


class Step(NamedTuple):
    """One change of the folder that is about to happen."""

    number: int
    call: str
    path: Path


class Ended(NamedTuple):
    """How a process ended: its exit status, or minus the signal; what it printed; the steps that it began."""

    status: int
    output: str
    steps: list[Step]


Visit = Callable[[Step], bool]


def can_trace() -> bool:
    """Whether this machine is one on which processes can be stopped at their system calls."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def run(work: Callable[[], object], output: Path) -> Ended:
    """Runs some work in a process of its own, undisturbed."""
    process = _fork(work, output, traced=False)
    _, status = os.waitpid(process, 0)
    return Ended(os.waitstatus_to_exitcode(status), output.read_text(errors="replace"), [])


def run_stepwise(work: Callable[[], object], folder: Path, output: Path, visit: Visit = lambda _: False) -> Ended:
    """Runs some work in a process of its own and stops it before every change of a folder.

    Args:
        work: What to run; it exits with 0, or as `SystemExit` says.
        folder: Whose changes are steps, everything below it too.
        output: A file for what the work prints.
        visit: Is called at each step; True kills the process there, before the step.
    """
    process = _fork(work, output, traced=True)
    os.waitpid(process, 0)
    _ptrace(_SET_OPTIONS, process, _OPTIONS)
    _ptrace(_CONTINUE, process, 0)
    steps: list[Step] = []
    while True:
        thread, status = os.waitpid(-1, _ALL_THREADS)
        if os.WIFSTOPPED(status):
            is_call = status >> 8 == signal.SIGTRAP | _SECCOMP_EVENT << 8
            step = _step(thread, folder, len(steps) + 1) if is_call else None
            if step is not None:
                steps.append(step)
                if visit(step):
                    os.kill(process, signal.SIGKILL)
                    continue
            _go_on(thread, status)
        elif thread == process:
            return Ended(os.waitstatus_to_exitcode(status), output.read_text(errors="replace"), steps)


def _go_on(thread: int, status: int) -> None:
    """Continues a thread; a signal that was meant for it is handed on."""
    received = os.WSTOPSIG(status)
    ours = received in (signal.SIGTRAP, signal.SIGSTOP)
    _ptrace(_CONTINUE, thread, 0 if ours else received)


def _fork(work: Callable[[], object], output: Path, *, traced: bool) -> int:
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        _become(work, output, traced=traced)
    return process


def _become(work: Callable[[], object], output: Path, *, traced: bool) -> NoReturn:
    """Does the work as a process of its own and ends."""
    status = 70
    try:
        target = os.open(output, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(target, 1)
        os.dup2(target, 2)
        if traced:
            _ptrace(_TRACE_ME, 0, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            _stop_at_changes()
        work()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 (whatever it is, it is a fault that the parent reports)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _stop_at_changes() -> None:
    """From here on the kernel hands the calls of `_CALLS` to the tracer."""
    program = [(_LOAD_WORD, 0, 0, 0)]
    program += [(_JUMP_IF_EQUAL, len(_CALLS) - place, 0, number) for place, number in enumerate(_CALLS)]
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _TRACE)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    whole = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code)))
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0), (_SET_SECCOMP, _FILTER_MODE, ctypes.addressof(whole))):
        option, second, third = arguments
        if _LIBC.prctl(option, ctypes.c_ulong(second), ctypes.c_ulong(third), ctypes.c_ulong(0), ctypes.c_ulong(0)):
            raise OSError(ctypes.get_errno(), "the kernel takes no system call filter")


def _step(thread: int, folder: Path, number: int) -> Step | None:
    """The change that a stopped thread is about to make, where it is one of the folder."""
    words = Path(f"/proc/{thread}/syscall").read_text().split()
    call, arguments = _CALLS[int(words[0])], [int(word, 16) for word in words[1:7]]
    if call.flags is not None and not arguments[call.flags] & (os.O_CREAT | os.O_TRUNC):
        return None
    paths = [_opened(thread, arguments[place]) for place in call.descriptors]
    paths += [_named(thread, arguments, start, place) for start, place in call.paths]
    inside = [path for path in paths if path.is_relative_to(folder)]
    return Step(number, call.name, inside[-1].relative_to(folder)) if inside else None


def _opened(thread: int, descriptor: int) -> Path:
    return Path(f"/proc/{thread}/fd/{descriptor & 0xFFFFFFFF}").readlink()


def _named(thread: int, arguments: list[int], start: int | None, place: int) -> Path:
    """A path as the call gives it; a relative one starts at a descriptor or at the working folder."""
    if arguments[place] == 0:
        return _opened(thread, arguments[0])
    with Path(f"/proc/{thread}/mem").open("rb", buffering=0) as memory:
        memory.seek(arguments[place])
        # A read stops at the end of what is mapped, which is behind the path's own end.
        path = Path(os.fsdecode(memory.read(_LONGEST_PATH).split(b"\0")[0]))
    if path.is_absolute():
        return path
    base = _HERE if start is None else ctypes.c_int(arguments[start]).value
    return (Path(f"/proc/{thread}/cwd").readlink() if base == _HERE else _opened(thread, base)) / path


def _ptrace(request: int, process: int, data: int) -> None:
    if _LIBC.ptrace(ctypes.c_long(request), ctypes.c_long(process), ctypes.c_void_p(0), ctypes.c_void_p(data)) < 0:
        raise OSError(ctypes.get_errno(), "the process cannot be traced")


_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.restype = ctypes.c_long
