/*
 * recall.h
 *		What the C files of recall share with each other and with the server.
 *
 * The heart (parse, print, pack and match of the value types) is pure C without the server, so that
 * it can be fuzzed by itself; the files that include this header bind it to SQL.
 */
#ifndef RECALL_H
#define RECALL_H

#include "postgres.h"
#include "fmgr.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "utils/relcache.h"

#include "compat.h"
#include "parse.h"

/*
 * Forget which calls led here, so that an error raised next has no CONTEXT: recall raises its
 * refusals deep inside SQL functions, and somebody who reads one in psql wants the message and the
 * hint. Whoever catches the error restores the stack.
 */
static inline void
recall_forget_context(void)
{
	error_context_stack = NULL;
}

/* Whether two values of variable length, detoasted, have the same bytes. */
static inline bool
recall_has_same_bytes(const void *a, const void *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		   memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/* parse_error.c */
extern void recall_report_parse_error(const char *type_name, const char *text,
									  const ParseError *error, Node *escontext);

/* caller.c */
extern Oid recall_caller_role(void);
extern void recall_require_no_source(void);

/* rights.c */
extern Oid recall_extension_owner(void);
extern bool recall_tenant_exists(int32 tenant);
/* 42501 unless the caller has the right "dial" in the tenant, a public function's first argument.
 */
extern void recall_require_dial(FunctionCallInfo fcinfo);
/* Whether the caller sees a tenant's numbers whole. */
extern bool recall_may_see_numbers(int32 tenant);

/* origin.c */
extern bool recall_history_is_accepted(void);
extern void recall_require_history(void);

/* plan_guard.c */
extern void recall_guard_plans(void);
/* Does a plan read or change a relation of recall? */
extern bool recall_is_touched(PlannedStmt *plan);
pg_noreturn extern void recall_refuse_plan(const char *message, const char *hint);

/* view_plan.c */
extern void recall_guide_views(void);
extern void recall_plan_along_indexes(void);
extern void recall_number_plan(PlannerInfo *root);
/* Does the query that is being planned read a view? */
extern bool recall_is_view_planned(void);
/* Is a query being planned, or waiting for its execution, whose planning began before the hooks? */
extern bool recall_is_first_planning(void);

/* hidden_statistics.c */
extern void recall_hide_statistics(void);

/* recall.c */
extern int recall_max_source_rows;

/* raise.c */
extern const char *recall_row_prefix(int64 row);
pg_noreturn extern void recall_deny_plainly(const char *what);
pg_noreturn extern void recall_deny_with_hint(const char *what, const char *hint);
pg_noreturn extern void recall_refuse_plainly(const char *message, const char *hint);
pg_noreturn extern void recall_reject_plainly(const char *message, const char *hint);

/* bounds.c */
extern char *recall_excerpt(const char *value);
extern bool recall_is_longer(Datum value, int most);

/* token.c */
extern int64 recall_make_token(void);

#endif /* RECALL_H */
