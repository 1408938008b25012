/*
 * phone_number.c
 *		Telephone numbers: "+" and 7 to 15 digits, the form of ITU-T E.164.
 *
 * Nothing is guessed or stripped: a number that is written otherwise is refused at the character
 * where it goes wrong, so that two spellings of one number can never be two people. An error does
 * not show it whole (see mask.c).
 */
#include "recall.h"

#include "mask.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#define MIN_DIGITS 7
#define MAX_DIGITS 15
#define MAX_NUMBERS 10

PG_FUNCTION_INFO_V1(recall_check_numbers);
PG_FUNCTION_INFO_V1(recall_are_numbers);
PG_FUNCTION_INFO_V1(recall_number_keys);

/* Find the first byte at which a text stops being a number, or -1. */
static int
first_fault(const char *number, int length)
{
	if (length == 0 || number[0] != '+')
		return 0;
	for (int i = 1; i < length; i++)
		if (number[i] < '0' || number[i] > '9')
			return i;
	if (length - 1 < MIN_DIGITS)
		return length;
	if (length - 1 > MAX_DIGITS)
		return MAX_DIGITS + 1;
	return -1;
}

static char *
masked(Datum number)
{
	text *whole = DatumGetTextPP(number);

	return recall_mask_number(VARDATA_ANY(whole), VARSIZE_ANY_EXHDR(whole));
}

static void
check_number(text *number, int64 row)
{
	const char *start = VARDATA_ANY(number);
	int length = VARSIZE_ANY_EXHDR(number);
	int fault = first_fault(start, length);

	if (fault >= 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("%sinvalid number \"%s\" at character %d", recall_row_prefix(row),
					recall_mask_number(start, length), pg_mbstrlen_with_len(start, fault) + 1),
			 errhint("A number is \"+\", the country code and the national number: %d to %d digits "
					 "without blanks (ITU-T E.164).",
					 MIN_DIGITS, MAX_DIGITS)));
}

pg_noreturn static void
reject_numbers(int64 row, const char *fault)
{
	recall_reject_plainly(
		psprintf("%s%s", recall_row_prefix(row), fault),
		psprintf("Give a plain array of 1 to %d different numbers, in the order in which "
				 "to try them.",
				 MAX_NUMBERS));
}

/* _check_numbers(numbers text[], source_row bigint) returns text[]: the numbers, when they are some
 */
Datum
recall_check_numbers(PG_FUNCTION_ARGS)
{
	int64 row = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	ArrayType *numbers;
	Datum *elements;
	bool *nulls;
	int count;

	if (PG_ARGISNULL(0))
		reject_numbers(row, "a contact has no numbers");
	numbers = PG_GETARG_ARRAYTYPE_P(0);
	count = ArrayGetNItems(ARR_NDIM(numbers), ARR_DIMS(numbers));
	if (ARR_NDIM(numbers) > 1)
		reject_numbers(row, "the numbers of a contact are an array of arrays");
	if (count < 1 || count > MAX_NUMBERS)
		reject_numbers(row, psprintf("a contact has %d numbers", count));
	deconstruct_array(numbers, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	/* numbers[1] must be the first of them. */
	if (ARR_LBOUND(numbers)[0] != 1)
		reject_numbers(row, psprintf("the numbers of a contact count from %d, not from 1",
									 ARR_LBOUND(numbers)[0]));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			reject_numbers(row, psprintf("number %d is null", i + 1));
		check_number(DatumGetTextPP(elements[i]), row);
		for (int j = 0; j < i; j++)
			if (recall_has_same_bytes(DatumGetTextPP(elements[i]), DatumGetTextPP(elements[j])))
				reject_numbers(
					row, psprintf("number \"%s\" stands twice in a contact", masked(elements[i])));
	}
	PG_RETURN_ARRAYTYPE_P(numbers);
}

/* Tell whether one of some texts is a number that does not stand before it. */
static bool
is_new_number(const Datum *elements, int position)
{
	text *number = DatumGetTextPP(elements[position]);

	if (first_fault(VARDATA_ANY(number), VARSIZE_ANY_EXHDR(number)) >= 0)
		return false;
	for (int i = 0; i < position; i++)
		if (recall_has_same_bytes(number, DatumGetTextPP(elements[i])))
			return false;
	return true;
}

/* _are_numbers(numbers text[]) returns boolean: whether _check_numbers() would have them */
Datum
recall_are_numbers(PG_FUNCTION_ARGS)
{
	ArrayType *numbers = PG_GETARG_ARRAYTYPE_P(0);
	Datum *elements;
	bool *nulls;
	int count;

	deconstruct_array(numbers, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	if (ARR_NDIM(numbers) != 1 || count > MAX_NUMBERS || ARR_LBOUND(numbers)[0] != 1)
		PG_RETURN_BOOL(false);
	for (int i = 0; i < count; i++)
		if (nulls[i] || !is_new_number(elements, i))
			PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(true);
}

/*
 * _number_keys(tenant_id int, numbers text[]) returns bigint[]
 *
 * What an index finds a tenant's numbers by. The tenant is part of each key, so that a tenant's
 * look-ups cost nothing for the numbers that others have.
 */
Datum
recall_number_keys(PG_FUNCTION_ARGS)
{
	uint64 tenant = (uint64) PG_GETARG_INT32(0);
	ArrayType *numbers = PG_GETARG_ARRAYTYPE_P(1);
	Datum *elements;
	bool *nulls;
	int count;
	int number_keys = 0;

	deconstruct_array(numbers, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		text *number = nulls[i] ? NULL : DatumGetTextPP(elements[i]);

		if (number != NULL)
			elements[number_keys++] = Int64GetDatum((int64) hash_bytes_extended(
				(const unsigned char *) VARDATA_ANY(number), VARSIZE_ANY_EXHDR(number), tenant));
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, number_keys, INT8OID, sizeof(int64),
										  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
