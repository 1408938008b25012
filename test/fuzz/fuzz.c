/*
 * fuzz.c
 *		How a finding is reported, and what holds for every error.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#include "fuzz.h"

extern int LLVMFuzzerInitialize(int *count, char ***arguments);

/* Let the C library read UTF-8; libFuzzer calls this first. */
int
LLVMFuzzerInitialize(int *count, char ***arguments)
{
	EXPECT(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
	return 0;
}

void
fuzz_report(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

bool
fuzz_is_text(const char *bytes, size_t length)
{
	mbstate_t state = { 0 };

	while (length > 0)
	{
		size_t size = mbrlen(bytes, length, &state);

		if (size == 0 || size > length) /* a NUL; not UTF-8, or not to its end */
			return false;
		bytes += size;
		length -= size;
	}
	return true;
}

void
fuzz_litter(void *value, size_t size)
{
	static unsigned char litter = 0x5a;

	litter ^= 0xff;
	memset(value, litter, size);
}

/* Check that a string is terminated and was not cut to fit its array. */
static void
check_string(const char *string, size_t size)
{
	EXPECT(strnlen(string, size) < size - 1);
}

void
fuzz_check_error(const char *text, size_t length, const ParseError *error)
{
	EXPECT(error->position >= 0);
	EXPECT((size_t) error->position <= length);
	check_string(error->message, sizeof(error->message));
	check_string(error->hint, sizeof(error->hint));
	EXPECT(error->message[0] != '\0');
	if (!fuzz_is_text(text, length))
		return;
	/* Neither the position nor what an error quotes cuts a character in two. */
	EXPECT(fuzz_is_text(text, error->position));
	EXPECT(fuzz_is_text(error->message, strlen(error->message)));
	EXPECT(fuzz_is_text(error->hint, strlen(error->hint)));
}
