/*
 * clock.c
 *		A clock of the wall that a test sets while the server runs: to be preloaded.
 *
 * The file named by TEST_CLOCK holds the number of the setting in force, then two settings, of
 *which a test writes the other one before it changes the number: so nobody reads half of one. A
 *setting is a moment of the real clock, what is shown then, and how fast it goes from there on.
 *Clocks that nobody sets, which timeouts and sleeps go by, stay as they are.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MILLION 1000000
#define THOUSAND 1000

typedef struct Setting
{
	int64_t real; /* microseconds since 1970 */
	int64_t shown;
	double speed;
} Setting;

typedef struct Clock
{
	int64_t current;
	Setting settings[2];
} Clock;

static const volatile Clock *test_clock;

__attribute__((constructor)) static void
find_clock(void)
{
	const char *name = getenv("TEST_CLOCK");
	int file = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
	void *map;

	if (file < 0)
		return;
	map = mmap(NULL, sizeof(Clock), PROT_READ, MAP_SHARED, file, 0);
	close(file);
	if (map != MAP_FAILED)
		test_clock = map;
}

static int64_t
shown_now(void)
{
	struct timespec now;
	int64_t real;
	Setting setting;

	syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
	real = (int64_t) now.tv_sec * MILLION + now.tv_nsec / THOUSAND;
	if (test_clock == NULL)
		return real;
	setting = test_clock->settings[test_clock->current & 1];
	return setting.shown + (int64_t) ((double) (real - setting.real) * setting.speed);
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	int64_t shown = shown_now();

	(void) zone;
	now->tv_sec = shown / MILLION;
	now->tv_usec = shown % MILLION;
	return 0;
}

time_t
time(time_t *now)
{
	time_t shown = shown_now() / MILLION;

	if (now != NULL)
		*now = shown;
	return shown;
}

int
clock_gettime(clockid_t which, struct timespec *now)
{
	int64_t shown;

	if (which != CLOCK_REALTIME)
		return (int) syscall(SYS_clock_gettime, which, now);
	shown = shown_now();
	now->tv_sec = shown / MILLION;
	now->tv_nsec = shown % MILLION * THOUSAND;
	return 0;
}
