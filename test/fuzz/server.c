/*
 * server.c
 *		Stands in for the server: the few functions of it that receiving and sending call.
 *
 * The files of src/ that bind the value types to SQL are compiled against the server's own headers
 * and linked with these. Each allocation is one of the C library's, so that the address sanitizer
 * sees its bounds, which it does not within the server's memory contexts. What nobody calls here,
 * the linker leaves unresolved.
 */
#include <setjmp.h>

#include "fuzz.h"
#include "server.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"

/* The server's headers have these from 16 on only. */
extern bool errsave_start(Node *context, const char *domain);
extern void errsave_finish(Node *context, const char *filename, int lineno, const char *funcname);

/* ---------------------------------------------------------------- memory */

#define MAX_BLOCKS 64
#define SEND_SIZE (1 << 17)

static void *blocks[MAX_BLOCKS];
static int number_blocks;

void *
palloc(Size size)
{
	EXPECT(number_blocks < MAX_BLOCKS);
	return blocks[number_blocks++] = malloc(size);
}

void
pfree(void *pointer)
{
	int i = 0;

	while (i < number_blocks && blocks[i] != pointer)
		i++;
	EXPECT(i < number_blocks);
	free(pointer);
	blocks[i] = blocks[--number_blocks];
}

char *
pstrdup(const char *string)
{
	size_t size = strlen(string) + 1;

	return memcpy(palloc(size), string, size);
}

void
server_reset_memory(void)
{
	while (number_blocks > 0)
		free(blocks[--number_blocks]);
}

struct varlena *
pg_detoast_datum(struct varlena *datum)
{
	return datum;
}

struct varlena *
pg_detoast_datum_packed(struct varlena *datum)
{
	return datum;
}

/* ---------------------------------------------------------------- errors */

static jmp_buf *catcher;

bool
server_call(PGFunction function, Datum argument, Datum *result)
{
	LOCAL_FCINFO(fcinfo, 1);
	jmp_buf here;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = argument;
	fcinfo->args[0].isnull = false;
	catcher = &here;
	if (setjmp(here) != 0)
		return false;
	*result = function(fcinfo);
	EXPECT(!fcinfo->isnull);
	return true;
}

static void raise_error(void) __attribute__((noreturn));

static void
raise_error(void)
{
	longjmp(*catcher, 1);
}

bool
errstart(int level, const char *domain)
{
	return true;
}

bool
errstart_cold(int level, const char *domain)
{
	return true;
}

bool
errsave_start(Node *context, const char *domain)
{
	return true;
}

int
errcode(int code)
{
	return 0;
}

int
errmsg(const char *format, ...)
{
	return 0;
}

int
errhint(const char *format, ...)
{
	return 0;
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	raise_error();
}

void
errsave_finish(Node *context, const char *filename, int lineno, const char *funcname)
{
	raise_error();
}

/* ---------------------------------------------------------------- messages */

int
pg_mbstrlen_with_len(const char *text, int length)
{
	int count = 0;

	for (int i = 0; i < length; i++)
		count += (text[i] & 0xc0) != 0x80;
	return count;
}

int
pq_getmsgbyte(StringInfo message)
{
	if (message->cursor >= message->len)
		raise_error();
	return (unsigned char) message->data[message->cursor++];
}

/* Take text out of a message: whatever is not valid in the server's encoding is an error. */
char *
pq_getmsgtext(StringInfo message, int size, int *length)
{
	char *text;

	if (size < 0 || size > message->len - message->cursor ||
		!fuzz_is_text(message->data + message->cursor, size))
		raise_error();
	text = palloc(size + 1);
	memcpy(text, message->data + message->cursor, size);
	text[size] = '\0';
	message->cursor += size;
	*length = size;
	return text;
}

void
pq_begintypsend(StringInfo message)
{
	message->data = palloc(SEND_SIZE);
	message->maxlen = SEND_SIZE;
	message->len = VARHDRSZ;
	message->cursor = 0;
}

void
enlargeStringInfo(StringInfo message, int needed)
{
	EXPECT(message->len + needed < message->maxlen);
}

void
pq_sendtext(StringInfo message, const char *text, int length)
{
	enlargeStringInfo(message, length);
	memcpy(message->data + message->len, text, length);
	message->len += length;
}

bytea *
pq_endtypsend(StringInfo message)
{
	SET_VARSIZE(message->data, message->len);
	return (bytea *) message->data;
}
