/*
 * plan_guard.c
 *		Plans over the tables of recall are shown to those only who may read the tables.
 *
 * A view lets a tenant see its own rows, and hides the others from every condition. The plan of
 * such a query knows better: its estimates come from statistics of all tenants, so that EXPLAIN of
 * a query for another tenant tells about how many rows that one has, and EXPLAIN ANALYZE counts the
 * rows that a filter removed. So EXPLAIN of a plan that touches a relation of recall is refused,
 * unless the current user has the rights of the extension's owner; and so is having it printed by
 * debug_print_plan, which anybody may set, to a client that asks for messages of that level.
 *
 * What the planner makes of its estimates can be felt, too: a query for another's large tenant,
 * which gives nothing, would start the JIT compiler and parallel workers, and one for a missing
 * tenant would not. So plans that touch recall are not compiled; and what the views call is
 * PARALLEL UNSAFE.
 *
 * An EXPLAIN without ANALYZE is known by its flag. One with ANALYZE asks for instrumentation, but
 * so does auto_explain, for any query, when its hook comes before this one: then it takes the
 * command itself to know. Whoever is loaded before recall is asked after it, so that this one
 * usually comes first.
 *
 * The hooks are there once the library is loaded. The views see to that: each begins with a
 * function of it (view_plan.c), which the planner calls while the very first query is planned. The
 * planner support function of what their condition calls, which comes after that, is here.
 */
#include "recall.h"

#include "access/parallel.h"
#include "catalog/namespace.h"
#include "executor/executor.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "nodes/supportnodes.h"
#include "optimizer/planner.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(recall_guard_plan);

static ExecutorStart_hook_type next_executor_start = NULL;
static ProcessUtility_hook_type next_process_utility = NULL;
static planner_hook_type next_planner = NULL;
static emit_log_hook_type next_emit_log = NULL;

static bool is_explaining = false; /* whether the utility command at work is an EXPLAIN */
static bool may_see_first = false; /* whether who has a first query planned may see its plan */

void
recall_refuse_plan(const char *message, const char *hint)
{
	recall_forget_context();
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("%s", message), errhint("%s", hint)));
}

static bool
has_rights_of_owner(Oid role)
{
	Oid owner = recall_extension_owner();

	return OidIsValid(owner) && has_privs_of_role(role, owner);
}

/* Does a plan read or change a relation of recall? Views stand in the range table beside what they
 * read. */
bool
recall_is_touched(PlannedStmt *plan)
{
	Oid schema = get_namespace_oid("recall", true);
	ListCell *cell;

	if (!OidIsValid(schema))
		return false;
	foreach (cell, plan->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind == RTE_RELATION && get_rel_namespace(entry->relid) == schema)
			return true;
	}
	return false;
}

static void
executor_start(QueryDesc *query, int flags)
{
	/* A parallel worker does what its leader was allowed to. */
	bool is_of_recall = !IsParallelWorker() && recall_is_touched(query->plannedstmt);
	bool is_first = ExecutorStart_hook == executor_start;
	bool is_explained = (flags & EXEC_FLAG_EXPLAIN_ONLY) != 0 ||
						(query->instrument_options != 0 && (is_first || is_explaining));

	if (is_of_recall)
		query->plannedstmt->jitFlags &= ~PGJIT_PERFORM; /* also of a plan older than the hooks */
	if (is_explained && is_of_recall && !has_rights_of_owner(GetUserId()))
		recall_refuse_plan(
			"permission denied to explain a query that uses recall",
			"A plan tells of the rows of all tenants; only the owner of the extension may see it.");

	if (next_executor_start != NULL)
		next_executor_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

static void
process_utility(PlannedStmt *statement, const char *text, bool is_read_only_tree,
				ProcessUtilityContext context, ParamListInfo parameters,
				QueryEnvironment *environment, DestReceiver *receiver, QueryCompletion *completion)
{
	bool was_explaining = is_explaining;

	is_explaining = IsA(statement->utilityStmt, ExplainStmt);
	PG_TRY();
	{
		if (next_process_utility != NULL)
			next_process_utility(statement, text, is_read_only_tree, context, parameters,
								 environment, receiver, completion);
		else
			standard_ProcessUtility(statement, text, is_read_only_tree, context, parameters,
									environment, receiver, completion);
	}
	PG_FINALLY();
	{
		is_explaining = was_explaining;
	}
	PG_END_TRY();
}

/* Would the plan be sent to the client, by debug_print_plan? */
static bool
is_plan_printed(void)
{
	return Debug_print_plan && client_min_messages <= LOG && !IsParallelWorker();
}

/* Also within the functions of recall, which run as the owner: it is the outer user who reads it.
 */
static void
refuse_printed_plan(void)
{
	if (!has_rights_of_owner(GetOuterUserId()))
		recall_refuse_plan("permission denied to print the plan of a query that uses recall",
						   "Set debug_print_plan to off, or client_min_messages to notice.");
}

static PlannedStmt *
plan_query(Query *query, const char *text, int options, ParamListInfo parameters)
{
	PlannedStmt *plan = next_planner != NULL ? next_planner(query, text, options, parameters)
											 : standard_planner(query, text, options, parameters);

	if ((is_plan_printed() || (plan->jitFlags & PGJIT_PERFORM) != 0) && recall_is_touched(plan))
	{
		if (is_plan_printed())
			refuse_printed_plan();
		plan->jitFlags &= ~PGJIT_PERFORM;
	}
	return plan;
}

/* The first planning of a session began before the hooks were there, and who has its plan printed
 * is not asked. What a function that the planner calls has set since does not show it either. */
static void
keep_first_plan_back(ErrorData *message)
{
	if (recall_is_first_planning() && !may_see_first && message->elevel <= LOG)
		message->output_to_client = false;
	if (next_emit_log != NULL)
		next_emit_log(message);
}

/* _guard_plan(internal) returns internal: planner support that gives no advice; its call says that
 * the query reads a view, and loads the library, so that the query that does so had no hook when
 * its planning began */
Datum
recall_guard_plan(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);

	if (is_plan_printed())
		refuse_printed_plan();
	may_see_first = has_rights_of_owner(GetOuterUserId());
	recall_plan_along_indexes();
	if (IsA(request, SupportRequestRows) && ((SupportRequestRows *) request)->root != NULL)
		recall_number_plan(((SupportRequestRows *) request)->root);
	PG_RETURN_POINTER(NULL);
}

/* Let every plan and every command pass here from now on. */
void
recall_guard_plans(void)
{
	next_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	next_planner = planner_hook;
	planner_hook = plan_query;
	next_emit_log = emit_log_hook;
	emit_log_hook = keep_first_plan_back;
}
