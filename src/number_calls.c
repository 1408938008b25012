/*
 * number_calls.c
 *		The calls to a contact's numbers, looked up once for each number.
 *
 * Several contacts may own one number, in the worst case all of a batch. What is known of a number
 * is therefore kept as long as the query sees the same: the look-up itself is SQL
 * (_calls_to_number()). In PL/pgSQL a function may outlive the query, so the snapshot is compared.
 */
#include "history.h"

#include "catalog/pg_type.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(recall_calls_to_numbers);

#define MAX_NUMBER 20 /* bytes; a telephone number has at most 16 */

typedef struct NumberKey
{
	int32 tenant;
	char number[MAX_NUMBER]; /* padded with zeros */
} NumberKey;

typedef struct NumberCalls
{
	NumberKey key;
	History *calls; /* NULL = none */
} NumberCalls;

/* What tells one snapshot from another: of the transactions before xmax, ever fewer are under way.
 */
typedef struct Sight
{
	TransactionId xmax;
	uint32 under_way;
	int32 under_way_below;
	CommandId command;
} Sight;

/* What is kept for a query. */
typedef struct NumberCache
{
	MemoryContext context; /* of what was found */
	FmgrInfo look_up;
	Sight sight;
	HTAB *numbers;
} NumberCache;

static Sight
get_sight(void)
{
	Snapshot snapshot = GetActiveSnapshot();

	return (Sight){ snapshot->xmax, snapshot->xcnt, snapshot->subxcnt, snapshot->curcid };
}

static bool
is_same_sight(const Sight *a, const Sight *b)
{
	return a->xmax == b->xmax && a->under_way == b->under_way &&
		   a->under_way_below == b->under_way_below && a->command == b->command;
}

static NumberCache *
make_cache(MemoryContext context)
{
	NumberCache *cache = MemoryContextAllocZero(context, sizeof(NumberCache));
	Oid argument_types[] = { INT4OID, TEXTOID };

	fmgr_info_cxt(LookupFuncName(list_make2(makeString("recall"), makeString("_calls_to_number")),
								 2, argument_types, false),
				  &cache->look_up, context);
	cache->context = AllocSetContextCreate(context, "recall numbers", ALLOCSET_DEFAULT_SIZES);
	return cache;
}

/* The cache of a function, emptied when the query sees something else than the last time. */
static NumberCache *
get_cache(FunctionCallInfo fcinfo)
{
	NumberCache *cache = fcinfo->flinfo->fn_extra;
	Sight sight = get_sight();
	HASHCTL control = { .keysize = sizeof(NumberKey), .entrysize = sizeof(NumberCalls) };

	if (cache == NULL)
		cache = fcinfo->flinfo->fn_extra = make_cache(fcinfo->flinfo->fn_mcxt);
	if (cache->numbers != NULL && is_same_sight(&cache->sight, &sight))
		return cache;
	cache->numbers = NULL;
	MemoryContextReset(cache->context);
	control.hcxt = cache->context;
	cache->numbers =
		hash_create("recall numbers", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	cache->sight = sight;
	return cache;
}

/* Look up the calls to a number; the result lives in a context. */
static History *
look_up(NumberCache *cache, Datum tenant, Datum number, MemoryContext context)
{
	LOCAL_FCINFO(call, 2);
	Datum found;
	History *copy;

	InitFunctionCallInfoData(*call, &cache->look_up, 2, InvalidOid, NULL, NULL);
	call->args[0] = (NullableDatum){ tenant, false };
	call->args[1] = (NullableDatum){ number, false };
	found = FunctionCallInvoke(call);
	if (call->isnull)
		return NULL;
	copy = MemoryContextAlloc(context, VARSIZE(DatumGetPointer(found)));
	return memcpy(copy, DatumGetPointer(found), VARSIZE(DatumGetPointer(found)));
}

static History *
calls_to(NumberCache *cache, Datum tenant, Datum number)
{
	text *written = DatumGetTextPP(number);
	NumberKey key = { .tenant = DatumGetInt32(tenant) };
	NumberCalls *entry;
	History *calls;

	memcpy(key.number, VARDATA_ANY(written), Min(VARSIZE_ANY_EXHDR(written), MAX_NUMBER));
	entry = hash_search(cache->numbers, &key, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->calls;
	/* Entered only when it is complete: looking up can fail. */
	calls = look_up(cache, tenant, number, cache->context);
	entry = hash_search(cache->numbers, &key, HASH_ENTER, NULL);
	entry->calls = calls;
	return calls;
}

/* Put two histories together; either may be NULL. */
static History *
join_histories(History *a, History *b)
{
	size_t calls_size;
	size_t a_texts;
	size_t b_texts;
	History *both;

	if (a == NULL || b == NULL)
		return a == NULL ? b : a;
	calls_size = history_calls_end(a->number_calls + b->number_calls);
	a_texts = VARSIZE(a) - history_calls_end(a->number_calls);
	b_texts = VARSIZE(b) - history_calls_end(b->number_calls);
	both = palloc(calls_size + a_texts + b_texts);
	history_begin(both, calls_size + a_texts + b_texts, a->number_calls + b->number_calls);
	history_put(both, 0, a, calls_size);
	history_put(both, a->number_calls, b, calls_size + a_texts);
	return both;
}

/* _calls_to_numbers(tenant_id int, numbers text[]) returns history */
Datum
recall_calls_to_numbers(PG_FUNCTION_ARGS)
{
	NumberCache *cache = get_cache(fcinfo);
	Datum *numbers;
	int count;
	History *calls = NULL;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &numbers, NULL,
					  &count);
	for (int i = 0; i < count; i++)
		calls = join_histories(calls, calls_to(cache, PG_GETARG_DATUM(0), numbers[i]));
	if (calls == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(calls);
}
