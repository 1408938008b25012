/*
 * view_plan.c
 *		Queries over the views are planned along indexes, whatever the settings.
 *
 * A view lets a tenant see its own rows, and hides the others from every condition that is not
 * leakproof. One that is, as that two numbers are equal, comes before the view's where a table is
 * read as a whole, and whether it holds for some tenant's row decides whether the view's is asked
 * at all, which takes time and blocks. So what a view reads is planned along indexes, all of which
 * begin with the tenant, and other tenants' rows are not even visited.
 *
 * The planner can be talked out of that by a function that it calls in between; then the plan is
 * not executed. Nor is one that compares a row of columns, of which the tenant is the first: an
 * index is read beyond the reader's tenants for that.
 *
 * Each view begins with _plan_view(), which the planner calls before anything else of the view. In
 * the very first query of a session that loads the library: then no hook was there when the
 * planning began, and nobody puts the settings back behind it but the execution of the plan that
 * comes of it, which is known by a number, or the end of the transaction in which it failed.
 */
#include "recall.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "utils/acl.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(recall_plan_view);

static ExecutorStart_hook_type next_executor_start = NULL;
static planner_hook_type next_planner = NULL;

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

/* What tells a plan that was made before the hooks were there: an item of its list of what it
 * depends on, of a cache that there is not, with a number that no other such plan has. */
#define NO_CACHE (-1)

static bool is_of_view = false; /* whether the query that is being planned reads a view */
static int plannings = 0;		/* that have passed here and are not over */
static bool is_left = false;	/* whether a planning that did not has left the settings changed, */
static Ways ways_before_left;	/* what they were before, */
static SubTransactionId left_in; /* in which subtransaction that was, */
static uint32 left_by;			 /* and the number of the plan that comes of it; 0: not yet */
static uint32 last_number = 0;	 /* of a plan */
static bool has_hooks = false; /* whether each planning that is going on has begun with the hooks */

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
void
recall_plan_along_indexes(void)
{
	if (plannings == 0 && has_hooks)
		return; /* no query is being planned: somebody calls _plan_view() */
	if (plannings == 0 && !is_left)
	{
		ways_before_left = current_ways();
		left_in = GetCurrentSubTransactionId();
		left_by = 0;
		is_left = true;
	}
	is_of_view = true;
	set_ways(&along_indexes);
}

static uint32
number_of_plan(const List *depends_on)
{
	ListCell *cell;

	foreach (cell, depends_on)
	{
		const PlanInvalItem *item = lfirst(cell);

		if (item->cacheId == NO_CACHE)
			return item->hashValue;
	}
	return 0;
}

/* Number the plan that is being made, if nobody but its execution puts back what it has left. */
void
recall_number_plan(PlannerInfo *root)
{
	PlanInvalItem *item;

	if (!is_left || plannings > 0 || number_of_plan(root->glob->invalItems) != 0)
		return;
	item = makeNode(PlanInvalItem);
	item->cacheId = NO_CACHE;
	item->hashValue = left_by = ++last_number;
	root->glob->invalItems = lappend(root->glob->invalItems, item);
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

/* No planning outlives its transaction. */
static void
end_transaction(XactEvent event, void *unused)
{
	put_back_what_is_left();
	has_hooks = true;
}

/* One that a function began while it was called by the planner is none of ours. */
static void
end_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *unused)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && mine <= left_in)
		put_back_what_is_left();
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

/* Is a row asked by a view whether its tenant is one of the reader's? */
static bool
is_asked_for_tenant(Node *condition, void *unused)
{
	if (condition == NULL)
		return false;
	if (IsA(condition, ScalarArrayOpExpr) &&
		!IsA(lsecond(((ScalarArrayOpExpr *) condition)->args), Const))
		return true;
	return expression_tree_walker(condition, is_asked_for_tenant, NULL);
}

static bool
may_not_read(const ScanState *scan, Oid schema)
{
	Relation table = scan->ss_currentRelation;

	return RelationGetNamespace(table) == schema &&
		   pg_class_aclcheck(RelationGetRelid(table), GetUserId(), ACL_SELECT) != ACLCHECK_OK;
}

/* Does a scan visit rows that a view then asks for their tenant? A bitmap may forget which rows of
 * a page it means. What is looked up for a row that is shown may be read in any way. */
static bool
visits_others(PlanState *state)
{
	List *conditions = state->plan->qual;

	if (IsA(state, BitmapHeapScanState))
		conditions = list_concat_copy(conditions, ((BitmapHeapScan *) state->plan)->bitmapqualorig);
	else if (!IsA(state, SeqScanState))
		return false;
	return is_asked_for_tenant((Node *) conditions, NULL);
}

static bool
searches_by_row(PlanState *state)
{
	return (IsA(state, IndexScanState) &&
			is_searched_by_row(((IndexScan *) state->plan)->indexqual)) ||
		   (IsA(state, IndexOnlyScanState) &&
			is_searched_by_row(((IndexOnlyScan *) state->plan)->indexqual));
}

/* Refuse a plan that is ready to run and would visit other tenants' rows in a table that only views
 * show to the user. */
static bool
refuse_to_visit_others(PlanState *state, void *schema)
{
	if (visits_others(state) && may_not_read((ScanState *) state, *(Oid *) schema))
		recall_refuse_plan("permission denied to read a table of recall as a whole",
						   "Do not change the planner's settings while a query is planned.");
	if (searches_by_row(state) && may_not_read((ScanState *) state, *(Oid *) schema))
		recall_refuse_plan(
			"permission denied to search recall by rows that begin with the tenant",
			"Compare the tenant by itself: tenant_id = 1 AND (contact_id, attempt) > (17, 1).");
	return planstate_tree_walker(state, refuse_to_visit_others, schema);
}

static void
executor_start(QueryDesc *query, int flags)
{
	bool is_of_recall = recall_is_touched(query->plannedstmt);

	if (is_left && left_by != 0 && plannings == 0 &&
		number_of_plan(query->plannedstmt->invalItems) == left_by)
		put_back_what_is_left();
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
	return plan;
}

bool
recall_is_view_planned(void)
{
	return is_of_view;
}

bool
recall_is_first_planning(void)
{
	return is_left;
}

/* _plan_view() returns boolean: true; in a view it is immutable, so that the planner calls it */
Datum
recall_plan_view(PG_FUNCTION_ARGS)
{
	recall_plan_along_indexes();
	PG_RETURN_BOOL(true);
}

/* Let every query be planned and started here from now on. */
void
recall_guide_views(void)
{
	next_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	next_planner = planner_hook;
	planner_hook = plan_query;
	has_hooks = !IsTransactionState();
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}
