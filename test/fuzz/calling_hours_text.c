/*
 * calling_hours_text.c
 *		Fuzz target: any bytes as the text of calling hours.
 *
 * A text is refused with a sound error, or its value prints as a text that parses to the same
 * bytes. The input is not terminated.
 */
#include "hours_check.h"

static size_t
print(const HoursBuffer *buffer, char text[HOURS_MAX_TEXT + 1])
{
	size_t length = recall_calling_hours_print(&buffer->hours, text);

	EXPECT(length > 0);
	EXPECT(length <= HOURS_MAX_TEXT);
	EXPECT(strnlen(text, length + 1) == length);
	return length;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static HoursBuffer buffer;
	static HoursBuffer buffer_again;
	static char text[HOURS_MAX_TEXT + 1];
	static char text_again[HOURS_MAX_TEXT + 1];
	size_t value_size = check_hours_parse((const char *) data, size, &buffer);
	size_t length;

	if (value_size == 0)
		return 0;
	length = print(&buffer, text);

	EXPECT(check_hours_parse(text, length, &buffer_again) == value_size);
	EXPECT(memcmp(&buffer, &buffer_again, value_size) == 0);

	EXPECT(print(&buffer_again, text_again) == length);
	EXPECT(memcmp(text, text_again, length) == 0);
	return 0;
}
