/*
 * wire_check.c
 *		What holds for a value type that is received and sent in binary.
 */
#include "fuzz.h"
#include "wire_check.h"

/* Receive a message; false when it is refused. What is accepted is read to its end. */
static bool
receive(const WireType *type, const void *bytes, size_t size, struct varlena **value)
{
	StringInfoData message = { .data = (char *) bytes, .len = (int) size };
	Datum result;

	if (!server_call(type->receive, PointerGetDatum(&message), &result))
		return false;
	EXPECT(message.cursor == message.len);
	*value = (struct varlena *) DatumGetPointer(result);
	return true;
}

static void *
call(PGFunction function, const void *argument)
{
	Datum result;

	EXPECT(server_call(function, PointerGetDatum(argument), &result));
	return DatumGetPointer(result);
}

static bool
are_equal(const void *a, const void *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

void
check_wire(const WireType *type, const uint8_t *message, size_t size)
{
	struct varlena *value;
	struct varlena *value_again;

	if (receive(type, message, size, &value))
	{
		bytea *sent = call(type->send, value);
		char *text = call(type->out, value);

		/* What is sent is a byte before the text, and is received as the same value. */
		EXPECT(VARSIZE(sent) - VARHDRSZ == 1 + strlen(text));
		EXPECT(memcmp(VARDATA(sent) + 1, text, strlen(text)) == 0);
		EXPECT(receive(type, VARDATA(sent), VARSIZE(sent) - VARHDRSZ, &value_again));
		EXPECT(are_equal(value, value_again));
		EXPECT(are_equal(value, call(type->in, text)));
	}
	server_reset_memory();
}
