/*
 * calling_hours_io.c
 *		The SQL type recall.calling_hours: in, out, send, receive, equality, hash.
 *
 * Equal values have equal bytes, so equality and hash look at nothing else. On the wire a value
 * is a format version and its canonical text, so that a change of the stored form never reaches
 * a client.
 */
#include "recall.h"

#include "calling_hours_datum.h"
#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"

#define WIRE_VERSION 1

PG_FUNCTION_INFO_V1(recall_calling_hours_in);
PG_FUNCTION_INFO_V1(recall_calling_hours_out);
PG_FUNCTION_INFO_V1(recall_calling_hours_recv);
PG_FUNCTION_INFO_V1(recall_calling_hours_send);
PG_FUNCTION_INFO_V1(recall_calling_hours_eq);
PG_FUNCTION_INFO_V1(recall_calling_hours_ne);
PG_FUNCTION_INFO_V1(recall_calling_hours_hash);
PG_FUNCTION_INFO_V1(recall_calling_hours_hash_extended);

CallingHours *
recall_get_calling_hours(Datum datum)
{
	CallingHours *hours = (CallingHours *) PG_DETOAST_DATUM(datum);

	if (hours->version != HOURS_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("calling hours have the unknown format version %d", hours->version)));
	return hours;
}

/* Parse a text, or report the error and give NULL. */
static CallingHours *
parse_calling_hours(const char *text, Node *escontext)
{
	CallingHours *hours = palloc(HOURS_MAX_SIZE);
	ParseError error;
	size_t size = recall_calling_hours_parse(text, strlen(text), hours, &error);

	if (size == 0)
	{
		recall_report_parse_error("calling hours", text, &error, escontext);
		return NULL;
	}
	SET_VARSIZE(hours, size);
	return hours;
}

/* _calling_hours_in(cstring) returns calling_hours */
Datum
recall_calling_hours_in(PG_FUNCTION_ARGS)
{
	CallingHours *hours = parse_calling_hours(PG_GETARG_CSTRING(0), SOFT_ERROR_CONTEXT(fcinfo));

	if (hours == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(hours);
}

/* _calling_hours_out(calling_hours) returns cstring */
Datum
recall_calling_hours_out(PG_FUNCTION_ARGS)
{
	char *text = palloc(HOURS_MAX_TEXT + 1);

	recall_calling_hours_print(recall_get_calling_hours(PG_GETARG_DATUM(0)), text);
	PG_RETURN_CSTRING(text);
}

/* _calling_hours_recv(internal) returns calling_hours */
Datum
recall_calling_hours_recv(PG_FUNCTION_ARGS)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	int version = pq_getmsgbyte(message);
	int length;
	char *text;

	if (version != WIRE_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("calling hours came in the unknown binary format version %d", version)));
	text = pq_getmsgtext(message, message->len - message->cursor, &length);
	PG_RETURN_POINTER(parse_calling_hours(text, NULL));
}

/* _calling_hours_send(calling_hours) returns bytea */
Datum
recall_calling_hours_send(PG_FUNCTION_ARGS)
{
	char *text = palloc(HOURS_MAX_TEXT + 1);
	size_t length = recall_calling_hours_print(recall_get_calling_hours(PG_GETARG_DATUM(0)), text);
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendbyte(&message, WIRE_VERSION);
	pq_sendtext(&message, text, (int) length);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* _calling_hours_eq(calling_hours, calling_hours) returns boolean */
Datum
recall_calling_hours_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(recall_has_same_bytes(PG_GETARG_VARLENA_PP(0), PG_GETARG_VARLENA_PP(1)));
}

/* _calling_hours_ne(calling_hours, calling_hours) returns boolean */
Datum
recall_calling_hours_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!recall_has_same_bytes(PG_GETARG_VARLENA_PP(0), PG_GETARG_VARLENA_PP(1)));
}

/* _calling_hours_hash(calling_hours) returns integer */
Datum
recall_calling_hours_hash(PG_FUNCTION_ARGS)
{
	struct varlena *hours = PG_GETARG_VARLENA_PP(0);

	PG_RETURN_DATUM(hash_any((unsigned char *) VARDATA_ANY(hours), VARSIZE_ANY_EXHDR(hours)));
}

/* _calling_hours_hash_extended(calling_hours, bigint) returns bigint */
Datum
recall_calling_hours_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *hours = PG_GETARG_VARLENA_PP(0);

	PG_RETURN_DATUM(hash_any_extended((unsigned char *) VARDATA_ANY(hours),
									  VARSIZE_ANY_EXHDR(hours), PG_GETARG_INT64(1)));
}
