/* A disk on which making sure that something is written takes fifty milliseconds; for LD_PRELOAD. */

#include <time.h>

static int wait_for_disk(void) {
    struct timespec fifty_milliseconds = {0, 50 * 1000 * 1000};
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
