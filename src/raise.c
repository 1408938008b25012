/*
 * raise.c
 *		The refusals of recall, in one place for each SQLSTATE.
 *
 * Each carries a hint that says what to do, and no CONTEXT.
 */
#include "recall.h"

#include "access/xact.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(recall_deny);
PG_FUNCTION_INFO_V1(recall_refuse);
PG_FUNCTION_INFO_V1(recall_invalid);
PG_FUNCTION_INFO_V1(recall_require_no_block);

/* Give "row 17: " for a row of a bulk source, nothing for a single value (row 0). */
const char *
recall_row_prefix(int64 row)
{
	return row > 0 ? psprintf("row %lld: ", (long long) row) : "";
}

static void
raise_plainly(int sqlstate, const char *message, const char *hint)
{
	recall_forget_context();
	ereport(ERROR, (errcode(sqlstate), errmsg("%s", message), errhint("%s", hint)));
}

void
recall_deny_with_hint(const char *what, const char *hint)
{
	raise_plainly(ERRCODE_INSUFFICIENT_PRIVILEGE, psprintf("permission denied for %s", what), hint);
	pg_unreachable();
}

/* Refuse what does not exist, is another's, or lacks the right: nobody is told which. */
void
recall_deny_plainly(const char *what)
{
	recall_deny_with_hint(what, "It does not exist, or your role has no such right there; "
								"rights are given with recall.grant_privilege().");
}

/* Refuse what a gate is shut for: 55000. */
void
recall_refuse_plainly(const char *message, const char *hint)
{
	raise_plainly(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message, hint);
	pg_unreachable();
}

/* Reject a value that is out of its range: 22023. */
void
recall_reject_plainly(const char *message, const char *hint)
{
	raise_plainly(ERRCODE_INVALID_PARAMETER_VALUE, message, hint);
	pg_unreachable();
}

/* _deny(what text): 42501 */
Datum
recall_deny(PG_FUNCTION_ARGS)
{
	recall_deny_plainly(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

/* _refuse(message text, hint text): 55000 */
Datum
recall_refuse(PG_FUNCTION_ARGS)
{
	recall_refuse_plainly(text_to_cstring(PG_GETARG_TEXT_PP(0)),
						  text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

/* _invalid(message text, hint text): 22023 */
Datum
recall_invalid(PG_FUNCTION_ARGS)
{
	recall_reject_plainly(text_to_cstring(PG_GETARG_TEXT_PP(0)),
						  text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

/* _require_no_block(): 2D000 inside a transaction block, where COMMIT would fail without a hint */
Datum
recall_require_no_block(PG_FUNCTION_ARGS)
{
	if (IsTransactionBlock())
		raise_plainly(ERRCODE_INVALID_TRANSACTION_TERMINATION,
					  "recall.process() cannot run inside a transaction block",
					  "It commits after each chunk: CALL it as a statement of its own, outside a "
					  "transaction block.");
	PG_RETURN_VOID();
}
