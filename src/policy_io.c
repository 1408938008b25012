/*
 * policy_io.c
 *		The SQL type recall.policy: text, binary, comparison, and its constructor from two lists.
 *
 * The datum is the packed form (policy_pack.c), so equality is that of bytes. Sent in binary, a
 * policy is a version and its text: what is received goes through the parser like everything
 * else.
 */
#include "policy_datum.h"
#include "failure_cause_map.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#define SEND_VERSION 1

PG_FUNCTION_INFO_V1(recall_policy_in);
PG_FUNCTION_INFO_V1(recall_policy_out);
PG_FUNCTION_INFO_V1(recall_policy_recv);
PG_FUNCTION_INFO_V1(recall_policy_send);
PG_FUNCTION_INFO_V1(recall_policy_eq);
PG_FUNCTION_INFO_V1(recall_policy_ne);
PG_FUNCTION_INFO_V1(recall_policy_hash);
PG_FUNCTION_INFO_V1(recall_policy_hash_extended);
PG_FUNCTION_INFO_V1(recall_policy_from_lists);

/* Make a datum of a policy; NULL when it is too large and the error was saved in the context. */
static struct varlena *
make_datum(const Policy *policy, const char *text, Node *escontext)
{
	PackedPolicy packed;
	ParseError error;
	struct varlena *datum;

	if (!recall_policy_pack(policy, &packed, &error))
	{
		recall_report_parse_error("policy", text, &error, escontext);
		return NULL;
	}
	datum = palloc(VARHDRSZ + packed.size);
	SET_VARSIZE(datum, VARHDRSZ + packed.size);
	memcpy(VARDATA(datum), packed.bytes, packed.size);
	return datum;
}

/* Parse a text; NULL when it is wrong and the error was saved in the context. */
static struct varlena *
parse(const char *text, Node *escontext)
{
	Policy *policy = palloc(sizeof(Policy));
	struct varlena *datum = NULL;
	ParseError error;

	if (recall_policy_parse(text, strlen(text), policy, &error))
		datum = make_datum(policy, text, escontext);
	else
		recall_report_parse_error("policy", text, &error, escontext);
	pfree(policy);
	return datum;
}

Policy *
recall_policy_from_datum(struct varlena *datum)
{
	Policy *policy = palloc(sizeof(Policy));

	if (!recall_policy_unpack((unsigned char *) VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum),
							  policy))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("stored policy is damaged, or of a later version of the extension")));
	return policy;
}

static PolicyText *
print(struct varlena *datum)
{
	Policy *policy = recall_policy_from_datum(datum);
	PolicyText *out = palloc(sizeof(PolicyText));

	out->length = 0;
	recall_policy_print(policy, out);
	pfree(policy);
	return out;
}

/* policy_in(cstring) returns policy */
Datum
recall_policy_in(PG_FUNCTION_ARGS)
{
	struct varlena *datum = parse(PG_GETARG_CSTRING(0), SOFT_ERROR_CONTEXT(fcinfo));

	if (datum == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(datum);
}

/* policy_out(policy) returns cstring */
Datum
recall_policy_out(PG_FUNCTION_ARGS)
{
	PolicyText *out = print(PG_GETARG_VARLENA_PP(0));
	char *text = pstrdup(out->text);

	pfree(out);
	PG_RETURN_CSTRING(text);
}

/* policy_recv(internal) returns policy */
Datum
recall_policy_recv(PG_FUNCTION_ARGS)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	int version = pq_getmsgbyte(message);
	int size;
	char *text;

	if (version != SEND_VERSION)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("binary policy has unsupported version %d", version)));
	text = pq_getmsgtext(message, message->len - message->cursor, &size);
	PG_RETURN_POINTER(parse(text, NULL));
}

/* policy_send(policy) returns bytea */
Datum
recall_policy_send(PG_FUNCTION_ARGS)
{
	PolicyText *out = print(PG_GETARG_VARLENA_PP(0));
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendbyte(&message, SEND_VERSION);
	pq_sendtext(&message, out->text, out->length);
	pfree(out);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* policy_eq(policy, policy) returns boolean */
Datum
recall_policy_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(recall_has_same_bytes(PG_GETARG_VARLENA_PP(0), PG_GETARG_VARLENA_PP(1)));
}

/* policy_ne(policy, policy) returns boolean */
Datum
recall_policy_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!recall_has_same_bytes(PG_GETARG_VARLENA_PP(0), PG_GETARG_VARLENA_PP(1)));
}

/* policy_hash(policy) returns integer */
Datum
recall_policy_hash(PG_FUNCTION_ARGS)
{
	struct varlena *datum = PG_GETARG_VARLENA_PP(0);

	return hash_any((unsigned char *) VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum));
}

/* policy_hash_extended(policy, bigint) returns bigint */
Datum
recall_policy_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *datum = PG_GETARG_VARLENA_PP(0);

	return hash_any_extended((unsigned char *) VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum),
							 PG_GETARG_INT64(1));
}

/* The elements of a list without nulls; none when the list is null or empty. */
static int
list_elements(FunctionCallInfo fcinfo, int argument, Datum **elements)
{
	ArrayType *array;
	Oid type;
	int16 length;
	bool by_value;
	char alignment;
	int count;

	if (PG_ARGISNULL(argument))
		return 0;
	array = PG_GETARG_ARRAYTYPE_P(argument);
	if (array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s must not contain nulls",
							   argument == 0 ? "failure causes" : "business results")));
	type = ARR_ELEMTYPE(array);
	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	deconstruct_array(array, type, length, by_value, alignment, elements, NULL, &count);
	return count;
}

/* Make a rule of a list of failure causes. */
static void
add_causes(Policy *policy, const Datum *causes, int count)
{
	CauseMap *map = recall_make_cause_map(CurrentMemoryContext);
	PolicyRule *rule = recall_policy_add_rule(policy, SELECT_CAUSE);

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		rule->selector.members |= UINT64CONST(1)
								  << recall_cause_number(map, DatumGetObjectId(causes[i]));
	}
}

/* Make a rule of a list of business results. */
static void
add_results(Policy *policy, const Datum *results, int count)
{
	PolicyRule *rule = recall_policy_add_rule(policy, SELECT_RESULT);

	for (int i = 0; i < count; i++)
	{
		char *code = TextDatumGetCString(results[i]);
		int length = (int) strlen(code);

		CHECK_FOR_INTERRUPTS();
		if (!recall_policy_is_code(code, length))
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not the code of a business result", recall_excerpt(code)),
				 errhint("A code has 1 to %d letters, digits, \"_\" and \"-\".", POLICY_MAX_CODE)));
		if (!recall_policy_add_code(policy, &rule->selector, code, length))
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("business results need more than %d bytes", POLICY_MAX_SIZE)));
	}
}

/* policy(failure_cause[], text[]) returns policy */
Datum
recall_policy_from_lists(PG_FUNCTION_ARGS)
{
	Policy *policy = palloc0(sizeof(Policy));
	Datum *causes;
	Datum *results;
	int number_causes = list_elements(fcinfo, 0, &causes);
	int number_results = list_elements(fcinfo, 1, &results);

	if (number_causes > 0)
		add_causes(policy, causes, number_causes);
	if (number_results > 0)
		add_results(policy, results, number_results);
	if (policy->number_rules == 0)
		recall_policy_add_rule(policy, SELECT_FAILED);
	PG_RETURN_POINTER(make_datum(policy, "", NULL));
}
