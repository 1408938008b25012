/*
 * entry.c
 *		Entering a tenant with a token, and what that gives until the transaction ends.
 *
 * An application that serves many tenants connects as one role, a pool, which has no right of its
 * own. recall.enter() takes a token for that role and notes, in the memory of this server process
 * and nowhere else, what the token says. From then on rights.c asks here: the token's rights in the
 * token's tenant are all that the caller has, whatever its role is given otherwise.
 *
 * It holds for the role that entered, while the token lasts, and no longer than the transaction. An
 * entry that was made inside a savepoint goes when that is rolled back, and an earlier one is back
 * in force: hence a stack, at most one entry for each level. The transaction stays the tenant's all
 * the same: a cursor that was opened before the savepoint goes on with what it has read.
 */
#include "entry.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "table.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(recall_enter);
PG_FUNCTION_INFO_V1(recall_is_entered);
PG_FUNCTION_INFO_V1(recall_subject);

typedef struct Entry
{
	struct Entry *outer;	/* what is in force again when the level is rolled back */
	SubTransactionId level; /* where it was made */
	Oid role;				/* the caller who made it */
	TenantToken token;
} Entry;

static Entry *entry = NULL;	  /* of this transaction; in its memory */
static int32 sole_tenant = 0; /* the only one that the transaction may enter; 0: any */

/* Whether the caller is the role that has entered in this transaction. */
bool
recall_has_entered(void)
{
	return entry != NULL && entry->role == recall_caller_role();
}

/* The caller has entered: which tenant? */
int32
recall_entered_tenant(void)
{
	return entry->token.tenant;
}

/* The caller has entered: is the token over by now? */
bool
recall_entry_has_expired(void)
{
	return entry->token.until <= GetCurrentTimestamp();
}

/* The caller has entered: has it a right in a tenant? */
bool
recall_entry_gives(int32 tenant, Oid right)
{
	if (tenant != entry->token.tenant || recall_entry_has_expired())
		return false;
	for (int i = 0; i < entry->token.right_count; i++)
		if (entry->token.rights[i] == right)
			return true;
	return false;
}

/* The transaction is over, in whatever way. */
static void
end_with_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE: break;
		default: entry = NULL; sole_tenant = 0;
	}
}

/* A savepoint is released: what was entered in it is part of the level above, and replaces what was
 * entered there. */
static void
merge_into_level(SubTransactionId level, SubTransactionId above)
{
	if (entry == NULL || entry->level != level)
		return;
	entry->level = above;
	if (entry->outer != NULL && entry->outer->level == above)
		entry->outer = entry->outer->outer;
}

static void
end_with_level(SubXactEvent event, SubTransactionId level, SubTransactionId above, void *arg)
{
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		merge_into_level(level, above);
	else if (event == SUBXACT_EVENT_ABORT_SUB && entry != NULL && entry->level == level)
		entry = entry->outer;
}

static void
watch_transactions(void)
{
	static bool is_watching = false;

	if (is_watching)
		return;
	RegisterXactCallback(end_with_transaction, NULL);
	RegisterSubXactCallback(end_with_level, NULL);
	is_watching = true;
}

/* Whether pooled applications connect as the role, as it is committed now. */
static bool
is_pool(Oid role)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	Search pools;
	bool found;

	recall_open_search(&pools, &recall_pool_pkey, 1, AccessShareLock, snapshot);
	found = recall_find1(&pools, ObjectIdGetDatum(role));
	recall_close_search(&pools);
	UnregisterSnapshot(snapshot);
	return found;
}

/* Whether a token that recall has signed is good for the caller now. */
static bool
is_good(const TenantToken *token)
{
	return token->until > GetCurrentTimestamp() && is_pool(token->role) &&
		   has_privs_of_role(recall_caller_role(), token->role) &&
		   recall_tenant_exists(token->tenant);
}

/* Keep a token for the current level of the transaction. */
static void
keep(const TenantToken *token)
{
	SubTransactionId level = GetCurrentSubTransactionId();

	watch_transactions();
	if (entry == NULL || entry->level != level)
	{
		Entry *inner = MemoryContextAlloc(TopTransactionContext, sizeof(Entry));

		inner->outer = entry;
		inner->level = level;
		entry = inner;
	}
	entry->role = recall_caller_role();
	entry->token = *token;
	sole_tenant = token->tenant;
}

/*
 * enter(token text) returns int
 *
 * One error for whatever is wrong with a token: who makes them up learns nothing from it.
 */
Datum
recall_enter(PG_FUNCTION_ARGS)
{
	text *given = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0);
	TenantToken token;

	/* In a worker nobody would notice; and what a table's owner hides in an index, for somebody
	 * else to run, does not act for that user. */
	if (IsInParallelMode() || InSecurityRestrictedOperation() || given == NULL ||
		!recall_unseal(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), &token) || !is_good(&token))
		recall_deny_with_hint("the token",
							  "It may have been changed on its way, have ended, or be meant for "
							  "another role or database; get a new one.");
	recall_require_no_source();
	if (sole_tenant != 0 && sole_tenant != token.tenant)
		recall_refuse_plainly("another tenant was entered in this transaction",
							  "End the transaction first: it works for one tenant.");
	keep(&token);
	PG_RETURN_INT32(token.tenant);
}

/* _is_entered() returns boolean */
Datum
recall_is_entered(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(recall_has_entered());
}

/* _subject() returns text: null without a token, or when it names nobody */
Datum
recall_subject(PG_FUNCTION_ARGS)
{
	if (!recall_has_entered() || entry->token.subject[0] == '\0')
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(entry->token.subject));
}
