/*
 * discard_caches.h
 *		Where the server that checks itself forgets what it has cached. Never part of recall.
 *
 * With debug_discard_caches a server forgets all that it has cached wherever news might have told
 * it to: everything takes more than a thousand times as long. Most of that shows nothing of a
 * library that is not at work at the moment. So checked_server.sh has the server ask here first
 * (its inval.c includes this). With DISCARD_CACHES=ours in its environment it forgets only while
 * the library is calling it, and by each of the library's ways of calling it the first times in a
 * process, then ever more rarely.
 *
 * A way is what of the stack belongs to the library. Server and library are built with frame
 * pointers, to walk along.
 */
#include <link.h>

#define LIBRARY "/recall.so"
#define MAX_FRAMES 1000
#define OFTEN 100  /* times; after these, whenever the number of times has doubled */
#define WAYS 65536 /* in each process; two that fall together count as one */

extern void *__libc_stack_end;

static uintptr_t library_begin = 0;
static uintptr_t library_end = 0;

/* Note where the library's code lies, once it is loaded. */
static int
note_library(struct dl_phdr_info *object, size_t size, void *unused)
{
	size_t length = strlen(object->dlpi_name);

	if (length < strlen(LIBRARY) ||
		strcmp(object->dlpi_name + length - strlen(LIBRARY), LIBRARY) != 0)
		return 0;
	for (int i = 0; i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_LOAD && (object->dlpi_phdr[i].p_flags & PF_X))
		{
			library_begin = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
			library_end = library_begin + object->dlpi_phdr[i].p_memsz;
		}
	return 1;
}

/* Say by which way the library has called the server; 0: by none. */
static uint32
way_of_library(void)
{
	uintptr_t *frame = __builtin_frame_address(0);
	uint32 way = 0;

	for (int i = 0; i < MAX_FRAMES; i++)
	{
		uintptr_t *caller = (uintptr_t *) frame[0];

		if (frame[1] >= library_begin && frame[1] < library_end)
			way = (way ^ (uint32) (frame[1] - library_begin)) * 0x9E3779B1 + 1;
		if (caller <= frame || (void *) caller >= __libc_stack_end ||
			(uintptr_t) caller % sizeof(void *) != 0)
			break;
		frame = caller;
	}
	return way;
}

/* Whether to forget everything now. */
static bool
discards_now(void)
{
	static uint32 times[WAYS];
	const char *mode = getenv("DISCARD_CACHES");
	uint32 way;

	if (mode == NULL || strcmp(mode, "ours") != 0)
		return true;
	if (library_end == 0)
		dl_iterate_phdr(note_library, NULL);
	way = library_end == 0 ? 0 : way_of_library();
	if (way == 0)
		return false;
	way = (way ^ way >> 16) % WAYS;
	times[way]++;
	return times[way] <= OFTEN || (times[way] & (times[way] - 1)) == 0;
}
