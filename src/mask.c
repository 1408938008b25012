/*
 * mask.c
 *		Telephone numbers with their middle digits left out: in errors, and for whoever only reads.
 *
 * An error is also written to the server's log, which is read by people who have no right in any
 * tenant. So no error of recall shows a whole number, not even to the caller whose number it is.
 *
 * Two shapes are known: a text that is meant to be a number, however it is written, and a text that
 * may mention some, where each run of seven digits or more is taken for one.
 */
#include "recall.h"

#include "entry.h"
#include "mask.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(recall_mask_number_sql);
PG_FUNCTION_INFO_V1(recall_mask_text);
PG_FUNCTION_INFO_V1(recall_mask_jsonb);
PG_FUNCTION_INFO_V1(recall_sees_numbers);
PG_FUNCTION_INFO_V1(recall_show_number);
PG_FUNCTION_INFO_V1(recall_show_text);
PG_FUNCTION_INFO_V1(recall_show_jsonb);

#define KEPT 2		 /* digits that stay at either end */
#define MIN_DIGITS 7 /* shorter runs of digits are no numbers */
#define SEPARATORS " -./()"
#define MAX_GAP 3	 /* separators between two groups */
#define MAX_SHOWN 40 /* characters of what is meant to be a number */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
count_digits(const char *text, int length)
{
	int digits = 0;

	for (int i = 0; i < length; i++)
		digits += is_digit(text[i]);
	return digits;
}

/* Copy what is meant to be a number, its middle digits as "*", and what is not ASCII too: there are
 * other digits. */
char *
recall_mask_number(const char *number, int length)
{
	int shown = pg_mbcharcliplen(number, length, MAX_SHOWN);
	int digits = count_digits(number, length);
	int seen = 0;
	char *masked = palloc(shown + sizeof("..."));
	char *end = masked;

	for (int i = 0; i < shown;)
	{
		int width = pg_mblen(number + i);
		bool hides = width > 1;

		if (is_digit(number[i]))
		{
			hides = seen >= KEPT && seen < digits - KEPT;
			seen++;
		}
		*end++ = hides ? '*' : number[i];
		i += width;
	}
	strcpy(end, shown < length ? "..." : "");
	return masked;
}

/* Find the end of a number that begins at a digit: of its digits, or, behind "+" or "00", of their
 * groups. */
static int
end_of_number(const char *text, int begin, int length)
{
	bool has_groups = (begin > 0 && text[begin - 1] == '+') ||
					  (length - begin > 1 && text[begin] == '0' && text[begin + 1] == '0');
	int end = begin;

	for (int i = begin; i < length && i - end <= MAX_GAP; i++)
		if (is_digit(text[i]))
			end = i + 1;
		else if (!has_groups || strchr(SEPARATORS, text[i]) == NULL)
			break;
	return end;
}

/* Mask a number in its place, when it has digits enough. */
static void
mask_in_place(char *number, int length)
{
	int digits = count_digits(number, length);
	int seen = 0;

	if (digits < MIN_DIGITS)
		return;
	for (int i = 0; i < length; i++)
		if (is_digit(number[i]))
		{
			if (seen >= KEPT && seen < digits - KEPT)
				number[i] = '*';
			seen++;
		}
}

static void
mask_runs(char *text, int length)
{
	for (int i = 0; i < length; i++)
		if (is_digit(text[i]))
		{
			int end = end_of_number(text, i, length);

			mask_in_place(text + i, end - i);
			i = end - 1;
		}
}

/* Find the end of a string that begins behind a quote, or of the part of it before an escape. */
static char *
end_of_part(char *part)
{
	while (*part != '\0' && *part != '"' && *part != '\\')
		part++;
	return part;
}

/* Mask the strings of a JSON text in their place. Its figures are counts and ids. */
static void
mask_json(char *json)
{
	char *at = json;

	while ((at = strchr(at, '"')) != NULL)
	{
		at++;
		for (;;)
		{
			char *end = end_of_part(at);

			mask_runs(at, end - at);
			at = end;
			if (*at != '\\')
				break;
			/* The digits of an escaped character are none of a number. */
			for (int i = at[1] == 'u' ? 6 : 2; i > 0 && *at != '\0'; i--)
				at++;
		}
		if (*at == '\0')
			break;
		at++;
	}
}

/* Mask the numbers that an error mentions, in their place; NULL passes. */
char *
recall_mask_message(char *message)
{
	if (message != NULL)
		mask_runs(message, strlen(message));
	return message;
}

static Datum
masked_number(Datum number)
{
	text *given = DatumGetTextPP(number);

	return CStringGetTextDatum(recall_mask_number(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given)));
}

static Datum
masked_text(Datum given)
{
	text *masked = DatumGetTextPCopy(given);

	mask_runs(VARDATA(masked), VARSIZE(masked) - VARHDRSZ);
	return PointerGetDatum(masked);
}

static Datum
masked_jsonb(Datum given)
{
	Jsonb *jsonb = DatumGetJsonbP(given);
	char *json = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));

	mask_json(json);
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

/* _mask_number(number text) returns text */
Datum
recall_mask_number_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(masked_number(PG_GETARG_DATUM(0)));
}

/* _mask_numbers(text) returns text */
Datum
recall_mask_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(masked_text(PG_GETARG_DATUM(0)));
}

/* _mask_numbers(jsonb) returns jsonb */
Datum
recall_mask_jsonb(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(masked_jsonb(PG_GETARG_DATUM(0)));
}

/* What was found for the row before: whether somebody, in a command, sees a tenant's numbers whole.
 */
typedef struct Sight
{
	bool known;
	bool whole;
	int32 tenant;
	Oid viewer;
	CommandId command;
	TimestampTz statement;
} Sight;

/* Whether the caller dials or manages in a tenant. Nearly every row asks what the row before asked.
 */
static bool
sees_whole(FunctionCallInfo fcinfo)
{
	Sight *sight = fcinfo->flinfo->fn_extra;
	Sight asked = { .known = true,
					.tenant = PG_GETARG_INT32(0),
					.viewer = recall_caller_role(),
					.command = GetCurrentCommandId(false),
					.statement = GetCurrentStatementStartTimestamp() };

	/* What a token gives ends with the token, also in the middle of a statement. */
	if (recall_has_entered())
		return recall_may_see_numbers(asked.tenant);
	if (sight == NULL)
		fcinfo->flinfo->fn_extra = sight =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Sight));
	if (!sight->known || sight->tenant != asked.tenant || sight->viewer != asked.viewer ||
		sight->command != asked.command || sight->statement != asked.statement)
	{
		asked.whole = recall_may_see_numbers(asked.tenant);
		*sight = asked;
	}
	return sight->whole;
}

/* _sees_numbers(tenant_id int) returns boolean */
Datum
recall_sees_numbers(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(sees_whole(fcinfo));
}

/* _show_number(tenant_id int, number text) returns text: whole for whoever dials or manages */
Datum
recall_show_number(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(sees_whole(fcinfo) ? PG_GETARG_DATUM(1) : masked_number(PG_GETARG_DATUM(1)));
}

/* _show_text(tenant_id int, text) returns text: likewise */
Datum
recall_show_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(sees_whole(fcinfo) ? PG_GETARG_DATUM(1) : masked_text(PG_GETARG_DATUM(1)));
}

/* _show_text(tenant_id int, jsonb) returns jsonb: likewise */
Datum
recall_show_jsonb(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(sees_whole(fcinfo) ? PG_GETARG_DATUM(1) : masked_jsonb(PG_GETARG_DATUM(1)));
}
