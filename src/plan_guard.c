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
 * A table that is read as a whole is worse: where the reader's condition is leakproof, as that two
 * numbers are equal, it comes before the view's, and whether it holds for some tenant's row decides
 * whether the view's is asked at all, which takes time and blocks. So what a view reads is planned
 * along indexes, all of which begin with the tenant, whatever the settings, and other tenants' rows
 * are not even visited. The planner can be talked out of that by a function that it calls in
 * between; then the plan is not executed. Nor is one that compares a row of columns, of which the
 * tenant is the first: an index is read beyond the reader's tenants for that.
 *
 * And the planner is not told which values the columns hold, only how many: the order in which a
 * join reads its sides shows in that of its rows, and would tell how many rows are expected for
 * somebody's number.
 *
 * An EXPLAIN without ANALYZE is known by its flag. One with ANALYZE asks for instrumentation, but
 * so does auto_explain, for any query, when its hook comes before this one: then it takes the
 * command itself to know. Whoever is loaded before recall is asked after it, so that this one
 * usually comes first.
 *
 * The hooks are there once the library is loaded. The views see to that: their condition calls a
 * function whose planner support function is here, which loads the library while the very first
 * query is planned. Nobody puts the settings back behind that planning but the execution.
 */
#include "recall.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_statistic.h"
#include "executor/executor.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(recall_guard_plan);

static ExecutorStart_hook_type next_executor_start = NULL;
static ProcessUtility_hook_type next_process_utility = NULL;
static planner_hook_type next_planner = NULL;
static get_relation_stats_hook_type next_relation_stats = NULL;

static bool is_explaining = false; /* whether the utility command at work is an EXPLAIN */

/* Settings of the planner that decide how a table is read. */
typedef struct Ways
{
	bool seqscan;
	bool bitmapscan;
	bool indexscan;
	bool indexonlyscan;
	double seq_page;
	double random_page;
	double tuple;
	double index_tuple;
	double operation;
} Ways;

/* The costs are the server's defaults, but for a random page, which is one of an SSD. */
static const Ways along_indexes = { .seqscan = false,
									.bitmapscan = false,
									.indexscan = true,
									.indexonlyscan = true,
									.seq_page = DEFAULT_SEQ_PAGE_COST,
									.random_page = 1.1,
									.tuple = DEFAULT_CPU_TUPLE_COST,
									.index_tuple = DEFAULT_CPU_INDEX_TUPLE_COST,
									.operation = DEFAULT_CPU_OPERATOR_COST };

/* A flag of ours in a plan, which the server copies along with its own. */
#define PASSED_HERE (1 << 30)

static bool is_of_view = false; /* whether the query that is being planned reads a view */
static int plannings = 0;		/* that have passed here and are not over */
static bool is_left = false;	/* whether a planning that did not has left the settings changed, */
static Ways ways_before_left;	/* and what they were before */

static void
refuse(const char *message, const char *hint)
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
static bool
touches_recall(PlannedStmt *plan)
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

/* ---------------------------------------------------------------- along indexes */

static Ways
current_ways(void)
{
	return (Ways){ .seqscan = enable_seqscan,
				   .bitmapscan = enable_bitmapscan,
				   .indexscan = enable_indexscan,
				   .indexonlyscan = enable_indexonlyscan,
				   .seq_page = seq_page_cost,
				   .random_page = random_page_cost,
				   .tuple = cpu_tuple_cost,
				   .index_tuple = cpu_index_tuple_cost,
				   .operation = cpu_operator_cost };
}

static void
set_ways(const Ways *ways)
{
	enable_seqscan = ways->seqscan;
	enable_bitmapscan = ways->bitmapscan;
	enable_indexscan = ways->indexscan;
	enable_indexonlyscan = ways->indexonlyscan;
	seq_page_cost = ways->seq_page;
	random_page_cost = ways->random_page;
	cpu_tuple_cost = ways->tuple;
	cpu_index_tuple_cost = ways->index_tuple;
	cpu_operator_cost = ways->operation;
}

/* Have the rest of the query that is being planned read along indexes. */
static void
plan_along_indexes(void)
{
	if (plannings == 0 && !is_left)
	{
		ways_before_left = current_ways();
		is_left = true;
	}
	is_of_view = true;
	set_ways(&along_indexes);
}

static void
put_back_what_is_left(void)
{
	if (!is_left)
		return;
	set_ways(&ways_before_left);
	is_left = false;
	is_of_view = false;
}

static void
end_transaction(XactEvent event, void *unused)
{
	put_back_what_is_left();
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *unused)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		put_back_what_is_left();
}

/* Copy what ANALYZE has found out about a column, without its values. */
static HeapTuple
without_values(HeapTuple statistics)
{
	HeapTuple copy = heap_copytuple(statistics);
	Form_pg_statistic form = (Form_pg_statistic) GETSTRUCT(copy);
	int16 *const kinds = &form->stakind1;

	for (int i = 0; i < STATISTIC_NUM_SLOTS; i++)
		if (kinds[i] != STATISTIC_KIND_CORRELATION)
			kinds[i] = 0;
	return copy;
}

/* Have the planner expect the same of every value, while it plans a query that reads a view. */
static bool
hide_values(PlannerInfo *root, RangeTblEntry *entry, AttrNumber column, VariableStatData *variable)
{
	HeapTuple statistics;

	if (!is_of_view || entry->rtekind != RTE_RELATION ||
		get_rel_namespace(entry->relid) != get_namespace_oid("recall", true))
		return next_relation_stats != NULL && next_relation_stats(root, entry, column, variable);
	statistics = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(entry->relid),
								 Int16GetDatum(column), BoolGetDatum(entry->inh));
	if (HeapTupleIsValid(statistics))
	{
		variable->statsTuple = without_values(statistics);
		variable->freefunc = heap_freetuple;
		ReleaseSysCache(statistics);
	}
	return true;
}

/* Is a row asked by a view whether its tenant is one of the reader's? */
static bool
is_asked_for_tenant(const List *conditions)
{
	ListCell *cell;

	foreach (cell, conditions)
	{
		ScalarArrayOpExpr *condition = lfirst(cell);

		if (IsA(condition, ScalarArrayOpExpr) && !IsA(lsecond(condition->args), Const))
			return true;
	}
	return false;
}

/* Is an index searched by a row of columns, of which the tenant is the first? */
static bool
is_searched_by_row(const List *conditions)
{
	ListCell *cell;

	foreach (cell, conditions)
	{
		RowCompareExpr *condition = lfirst(cell);
		Var *first;

		if (!IsA(condition, RowCompareExpr))
			continue;
		first = linitial(condition->largs);
		if (IsA(first, Var) && first->varattno == 1)
			return true;
	}
	return false;
}

static bool
may_not_read(const ScanState *scan, Oid schema)
{
	Relation table = scan->ss_currentRelation;

	return RelationGetNamespace(table) == schema &&
		   pg_class_aclcheck(RelationGetRelid(table), GetUserId(), ACL_SELECT) != ACLCHECK_OK;
}

/* Refuse a plan that is ready to run and would visit other tenants' rows in a table that only views
 * show to the user. What is looked up for a row that is shown may be read in any way. */
static bool
refuse_to_visit_others(PlanState *state, void *schema)
{
	if (IsA(state, SeqScanState) && is_asked_for_tenant(state->plan->qual) &&
		may_not_read((ScanState *) state, *(Oid *) schema))
		refuse("permission denied to read a table of recall as a whole",
			   "Do not change the planner's settings while a query is planned.");
	if (((IsA(state, IndexScanState) &&
		  is_searched_by_row(((IndexScan *) state->plan)->indexqual)) ||
		 (IsA(state, IndexOnlyScanState) &&
		  is_searched_by_row(((IndexOnlyScan *) state->plan)->indexqual))) &&
		may_not_read((ScanState *) state, *(Oid *) schema))
		refuse("permission denied to search recall by rows that begin with the tenant",
			   "Compare the tenant by itself: tenant_id = 1 AND (contact_id, attempt) > (17, 1).");
	return planstate_tree_walker(state, refuse_to_visit_others, schema);
}

/* ---------------------------------------------------------------- the hooks */

static void
executor_start(QueryDesc *query, int flags)
{
	/* A parallel worker does what its leader was allowed to. */
	bool is_of_recall = !IsParallelWorker() && touches_recall(query->plannedstmt);
	bool is_first = ExecutorStart_hook == executor_start;
	bool is_explained = (flags & EXEC_FLAG_EXPLAIN_ONLY) != 0 ||
						(query->instrument_options != 0 && (is_first || is_explaining));

	if (is_of_recall && (query->plannedstmt->jitFlags & PASSED_HERE) == 0)
		put_back_what_is_left();
	if (is_explained && is_of_recall && !has_rights_of_owner(GetUserId()))
		refuse(
			"permission denied to explain a query that uses recall",
			"A plan tells of the rows of all tenants; only the owner of the extension may see it.");

	if (next_executor_start != NULL)
		next_executor_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
	if (is_of_recall && query->planstate != NULL)
	{
		Oid schema = get_namespace_oid("recall", true);

		refuse_to_visit_others(query->planstate, &schema);
	}
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
		refuse("permission denied to print the plan of a query that uses recall",
			   "Set debug_print_plan to off, or client_min_messages to notice.");
}

static PlannedStmt *
plan_query(Query *query, const char *text, int options, ParamListInfo parameters)
{
	PlannedStmt *volatile plan = NULL;
	Ways before = current_ways();
	bool was_of_view = is_of_view;

	plannings++;
	is_of_view = false;
	PG_TRY();
	{
		plan = next_planner != NULL ? next_planner(query, text, options, parameters)
									: standard_planner(query, text, options, parameters);
	}
	PG_FINALLY();
	{
		plannings--;
		is_of_view = was_of_view;
		set_ways(&before);
	}
	PG_END_TRY();

	if ((is_plan_printed() || plan->jitFlags != PGJIT_NONE) && touches_recall(plan))
	{
		if (is_plan_printed())
			refuse_printed_plan();
		plan->jitFlags = PGJIT_NONE;
	}
	plan->jitFlags |= PASSED_HERE;
	return plan;
}

/* _guard_plan(internal) returns internal: planner support that gives no advice; its call says that
 * the query reads a view, and loads the library, so that the query that does so had no hook when
 * its planning began */
Datum
recall_guard_plan(PG_FUNCTION_ARGS)
{
	if (is_plan_printed())
		refuse_printed_plan();
	plan_along_indexes();
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
	next_relation_stats = get_relation_stats_hook;
	get_relation_stats_hook = hide_values;
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}
