/*
 * hidden_statistics.c
 *		What the planner is told of the columns of recall's tables.
 *
 * Statistics are of all tenants together. The order in which a join reads its sides shows in that
 * of its rows, and the blocks that a function reads in what EXPLAIN says of its call: both would
 * tell how many rows are expected for somebody's number, or what most of another tenant's batches
 * are doing. So the planner hears which values a column holds where a table's reader may know them,
 * as pg_stats has it, and else only how many different ones there are and whether they lie in
 * order. That goes for the views, whoever reads them, so that EXPLAIN shows the owner a member's
 * plan; and for what a function of recall does for a member, though it does so as the owner.
 *
 * A function does it for one tenant, and hears how many of the rows are that one's: a few beside
 * millions are looked up in an index. A view may be asked for any tenant.
 */
#include "recall.h"

#include "access/htup_details.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_statistic.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

static get_relation_stats_hook_type next_relation_stats = NULL;
static get_index_stats_hook_type next_index_stats = NULL;
static get_attavgwidth_hook_type next_width = NULL;

/* A copy of what ANALYZE has found out about a column, without its values. */
static HeapTuple
without_values(HeapTuple statistics)
{
	HeapTuple copy = heap_copytuple(statistics);
	Form_pg_statistic form = (Form_pg_statistic) GETSTRUCT(copy);
	int16 *const kinds = &form->stakind1;

	form->stanullfrac = 0;
	for (int i = 0; i < STATISTIC_NUM_SLOTS; i++)
		if (kinds[i] != STATISTIC_KIND_CORRELATION)
			kinds[i] = 0;
	return copy;
}

static bool
is_tenant(Oid relation, AttrNumber column)
{
	return column > 0 && strcmp(get_attname(relation, column, false), "tenant_id") == 0;
}

/* Within a function, which runs as the owner, it is the outer user who may not read the table. */
static bool
is_hidden(Oid relation, AttrNumber column)
{
	if (get_rel_namespace(relation) != get_namespace_oid("recall", true))
		return false;
	return recall_is_view_planned() ||
		   (pg_class_aclcheck(relation, GetOuterUserId(), ACL_SELECT) != ACLCHECK_OK &&
			!is_tenant(relation, column));
}

static void
tell_without_values(Oid relation, AttrNumber column, bool inherited, VariableStatData *variable)
{
	HeapTuple statistics = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(relation),
										   Int16GetDatum(column), BoolGetDatum(inherited));

	if (!HeapTupleIsValid(statistics))
		return;
	variable->statsTuple = without_values(statistics);
	variable->freefunc = heap_freetuple;
	ReleaseSysCache(statistics);
}

static bool
hide_values(PlannerInfo *root, RangeTblEntry *entry, AttrNumber column, VariableStatData *variable)
{
	if (entry->rtekind != RTE_RELATION || !is_hidden(entry->relid, column))
		return next_relation_stats != NULL && next_relation_stats(root, entry, column, variable);
	tell_without_values(entry->relid, column, entry->inh, variable);
	return true;
}

static bool
hide_expressions(PlannerInfo *root, Oid index, AttrNumber column, VariableStatData *variable)
{
	if (!is_hidden(IndexGetRelation(index, false), InvalidAttrNumber))
		return next_index_stats != NULL && next_index_stats(root, index, column, variable);
	tell_without_values(index, column, false, variable);
	return true;
}

static int32
hide_width(Oid relation, AttrNumber column)
{
	Oid type;
	int32 modifier;
	Oid collation;

	if (!is_hidden(relation, column))
		return next_width != NULL ? next_width(relation, column) : 0;
	get_atttypetypmodcoll(relation, column, &type, &modifier, &collation);
	return get_typavgwidth(type, modifier);
}

/* Let the planner ask here from now on. */
void
recall_hide_statistics(void)
{
	next_relation_stats = get_relation_stats_hook;
	get_relation_stats_hook = hide_values;
	next_index_stats = get_index_stats_hook;
	get_index_stats_hook = hide_expressions;
	next_width = get_attavgwidth_hook;
	get_attavgwidth_hook = hide_width;
}
