"""A library that stands before the system's own in a process: calls of saving fail, readers die, the clock jumps."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The calls that change what lies under a folder of this name are counted. The one with the number `at` does not
   take place: the process is killed, or gets `error`; with `stays`, so do all later ones. */
static const char *under = 0;
static long at = 0, seen = 0;
static int error = 0, stays = 0;

void arm(const char *name, long number, int code, int for_ever) {
    under = name; at = number; seen = 0; error = code; stays = for_ever;
}
long calls(void) { return seen; }

/* A process that was forked by this one and opens a file whose path holds this is killed, and leaves a folder. */
static const char *deadly = 0;
static void die(void) { mkdir(getenv("DEADLY_MARK"), 0755); kill(getpid(), SIGKILL); }
static pid_t first = 0;

__attribute__((constructor)) static void from_environment(void) {
    deadly = getenv("DEADLY_FILE"); first = getpid();
    if (getenv("FAULT_UNDER"))
        arm(getenv("FAULT_UNDER"), atol(getenv("FAULT_AT")), atoi(getenv("FAULT_ERROR")), 1);
}

static int refused(const char *path) {
    if (!under || !path || !strstr(path, under)) return 0;
    long number = __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
    if (!at || (stays ? number < at : number != at)) return 0;
    if (!error) kill(getpid(), SIGKILL);
    errno = error;
    return 1;
}
static const char *path_of(int file, char *room) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, room, 4095);
    room[length < 0 ? 0 : length] = 0;
    return room;
}
#define NEXT(name) static __typeof__(name) *next; if (!next) next = dlsym(RTLD_NEXT, #name)
#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define OPENING(name, path, given)                                                 \
    { NEXT(name); mode_t mode = 0; va_list more;                                   \
      if (flags & (O_CREAT | O_TMPFILE)) {                                         \
          va_start(more, flags); mode = va_arg(more, int); va_end(more); }         \
      if (WRITES(flags) && refused(path)) return -1;                               \
      if (deadly && strstr(path, deadly) && getpid() != first) die();       \
      return next given; }
int open(const char *path, int flags, ...) OPENING(open, path, (path, flags, mode))
int open64(const char *path, int flags, ...) OPENING(open64, path, (path, flags, mode))
int openat(int at_, const char *path, int flags, ...) OPENING(openat, path, (at_, path, flags, mode))
int openat64(int at_, const char *path, int flags, ...) OPENING(openat64, path, (at_, path, flags, mode))

ssize_t write(int file, const void *content, size_t size) {
    NEXT(write); char room[4096];
    if (under && refused(path_of(file, room))) return -1;
    return next(file, content, size);
}
int fsync(int file) {
    NEXT(fsync); char room[4096];
    if (under && refused(path_of(file, room))) return -1;
    return next(file);
}
int rename(const char *old, const char *new) { NEXT(rename); return refused(new) ? -1 : next(old, new); }
int mkdir(const char *path, mode_t mode) { NEXT(mkdir); return refused(path) ? -1 : next(path, mode); }
int unlink(const char *path) { NEXT(unlink); return refused(path) ? -1 : next(path); }
int rmdir(const char *path) { NEXT(rmdir); return refused(path) ? -1 : next(path); }
int unlinkat(int folder, const char *path, int flags) {
    NEXT(unlinkat); char room[4096];
    if (under && refused(path[0] == '/' ? path : path_of(folder, room))) return -1;
    return next(folder, path, flags);
}

/* CLOCK_JUMP seconds from the moment on that the file CLOCK_FILE is there. */
int clock_gettime(clockid_t clock, struct timespec *now) {
    NEXT(clock_gettime);
    int done = next(clock, now);
    const char *jump = getenv("CLOCK_JUMP");
    if (!done && jump && clock == CLOCK_REALTIME && !access(getenv("CLOCK_FILE"), F_OK))
        now->tv_sec += atol(jump);
    return done;
}
"""


def preloaded(place: Path) -> Path:
    """The library, built in `place`; skips where that cannot be done."""
    if sys.platform != "linux" or not shutil.which("cc"):
        pytest.skip("needs Linux and a C compiler")
    built, source = place / "before_the_system.so", place / "before_the_system.c"
    source.write_text(_SOURCE)
    done = subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-w", "-o", built, source, "-ldl"], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"the library cannot be built: {done.stderr.splitlines()[:1]}")
    return built


def before(library: Path) -> str:
    """The value of LD_PRELOAD with it."""
    return " ".join(filter(None, [str(library), os.environ.get("LD_PRELOAD")]))
