/* A disk on which making sure that something is written takes fifty milliseconds; for LD_PRELOAD.

   A main thread that waits for it says so, while DISK_IS_WATCHED is in the environment. */

#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char WAITS[] = "the main thread waits for the disk\n";

static int wait_for_disk(void) {
    struct timespec fifty_milliseconds = {0, 50 * 1000 * 1000};
    if (getenv("DISK_IS_WATCHED") && syscall(SYS_gettid) == getpid() && write(2, WAITS, sizeof WAITS - 1) < 0)
        return -1;
    nanosleep(&fifty_milliseconds, 0);
    return 0;
}

int fsync(int descriptor) {
    (void)descriptor;
    return wait_for_disk();
}

int fdatasync(int descriptor) {
    (void)descriptor;
    return wait_for_disk();
}
