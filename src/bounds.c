/*
 * bounds.c
 *		How large a value may be that recall keeps for somebody.
 *
 * What is too large is refused before it is looked at any further, and no error repeats it whole.
 */
#include "recall.h"

#include "mask.h"

#include "access/detoast.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(recall_check_length);
PG_FUNCTION_INFO_V1(recall_check_size);
PG_FUNCTION_INFO_V1(recall_is_longer_sql);

#define SHOWN 60 /* bytes of a value that an error repeats */

/* Copy the beginning of a text, without the numbers in it, for an error. */
char *
recall_excerpt(const char *value)
{
	int length = strlen(value);
	int shown = pg_mbcliplen(value, length, SHOWN);

	return recall_mask_message(psprintf("%.*s%s", shown, value, shown < length ? "..." : ""));
}

/* Whether a text has more than so many characters; of a long one not all are counted. */
bool
recall_is_longer(Datum value, int most)
{
	int64 size = (int64) toast_raw_datum_size(value) - VARHDRSZ;
	text *whole;

	if (size <= most || size > (int64) most * pg_database_encoding_max_length())
		return size > most;
	whole = DatumGetTextPP(value);
	return pg_mbstrlen_with_len(VARDATA_ANY(whole), VARSIZE_ANY_EXHDR(whole)) > most;
}

/* _is_longer(value text, most int) returns boolean */
Datum
recall_is_longer_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(recall_is_longer(PG_GETARG_DATUM(0), PG_GETARG_INT32(1)));
}

static void
reject(FunctionCallInfo fcinfo, const char *unit)
{
	recall_reject_plainly(psprintf("%s%s", recall_row_prefix(PG_GETARG_INT64(3)),
								   text_to_cstring(PG_GETARG_TEXT_PP(1))),
						  psprintf("The most is %d %s.", PG_GETARG_INT32(2), unit));
}

/* _check_length(value text, fault text, most int, source_row bigint) returns text: the value */
Datum
recall_check_length(PG_FUNCTION_ARGS)
{
	if (recall_is_longer(PG_GETARG_DATUM(0), PG_GETARG_INT32(2)))
		reject(fcinfo, "characters");
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* _check_size(value jsonb, fault text, most int, source_row bigint) returns jsonb: the value */
Datum
recall_check_size(PG_FUNCTION_ARGS)
{
	if (toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ > PG_GETARG_INT32(2))
		reject(fcinfo, "bytes, as jsonb is stored");
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
