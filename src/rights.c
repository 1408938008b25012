/*
 * rights.c
 *		Whether the caller has a right in a tenant. Every function asks, so it is asked in C.
 *
 * The caller is the role that it is now, whatever definer functions lie between. What does not
 * exist and what is another tenant's are refused in the same words. Who has entered a tenant with a
 * token has what the token says, and nothing else.
 */
#include "entry.h"

#include "enum_value.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_auth_members.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "table.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(recall_is_owner);
PG_FUNCTION_INFO_V1(recall_require_owner);
PG_FUNCTION_INFO_V1(recall_has_right);
PG_FUNCTION_INFO_V1(recall_require);
PG_FUNCTION_INFO_V1(recall_readable_tenants);

#define NO_TENANT 0 /* what the audit has of none is the owner's */

/* Find the owner of the extension; InvalidOid when it is not there. */
Oid
recall_extension_owner(void)
{
	Relation extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	Oid owner = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("recall"));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
	return owner;
}

/*
 * A parallel worker does not know what its leader has entered, so it must not answer. Only a
 * function of somebody's that is PARALLEL SAFE and should not be leads here.
 */
static void
refuse_worker(void)
{
	if (IsParallelWorker())
		recall_refuse_plainly("a parallel worker cannot tell who has which rights",
							  "A function that uses recall must not be PARALLEL SAFE.");
}

static bool
may_act_as(Oid owner)
{
	return !recall_has_entered() && OidIsValid(owner) &&
		   has_privs_of_role(recall_caller_role(), owner);
}

static bool
is_owner(void)
{
	return may_act_as(recall_extension_owner());
}

bool
recall_tenant_exists(int32 tenant)
{
	Search tenants;
	bool exists;

	recall_open_search(&tenants, &recall_tenant_pkey, 1, AccessShareLock, GetActiveSnapshot());
	exists = recall_find1(&tenants, Int32GetDatum(tenant));
	recall_close_search(&tenants);
	return exists;
}

static bool
contains(Datum rights, Oid required)
{
	ArrayType *array = DatumGetArrayTypeP(rights);
	Oid *members = (Oid *) ARR_DATA_PTR(array);
	int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	for (int i = 0; i < count; i++)
		if (members[i] == required)
			return true;
	return false;
}

/* Whether the tenant's own entry for a role has a right. */
static bool
is_granted(Search *members, int32 tenant, Oid role, Oid required)
{
	return recall_find2(members, Int32GetDatum(tenant), ObjectIdGetDatum(role)) &&
		   contains(recall_known(members, MEMBER_rights), required);
}

/* Add the roles that a role is a member of, whether it inherits them or not. */
static List *
add_groups(List *roles, Oid role)
{
	CatCList *groups = SearchSysCacheList1(AUTHMEMMEMROLE, ObjectIdGetDatum(role));

	for (int i = 0; i < groups->n_members; i++)
	{
		HeapTuple tuple = &groups->members[i]->tuple;

		roles = list_append_unique_oid(roles, ((Form_pg_auth_members) GETSTRUCT(tuple))->roleid);
	}
	ReleaseSysCacheList(groups);
	return roles;
}

/* The roles that the caller is or inherits. */
static List *
roles_of(Oid caller)
{
	/* The owner of the database is a member of a role by that alone. */
	List *all = list_make2_oid(caller, ROLE_PG_DATABASE_OWNER);
	List *inherited = NIL;
	ListCell *cell;

	foreach (cell, all) /* which grows */
	{
		Oid role = lfirst_oid(cell);

		if (has_privs_of_role(caller, role))
			inherited = lappend_oid(inherited, role);
		all = add_groups(all, role);
	}
	return inherited;
}

/*
 * Whether a role that the caller is, or inherits, is a member of the tenant with the right. It is
 * the caller's roles that are gone through, not the tenant's: somebody else's tenant takes as long
 * as one that does not exist, however many members it has.
 */
static bool
is_member_with(int32 tenant, Oid required)
{
	List *roles = roles_of(recall_caller_role());
	Search members;
	ListCell *cell;
	bool found = false;

	recall_open_search(&members, &recall_member_pkey, 2, AccessShareLock, GetActiveSnapshot());
	foreach (cell, roles)
	{
		found = is_granted(&members, tenant, lfirst_oid(cell), required);
		if (found)
			break;
	}
	recall_close_search(&members);
	return found;
}

/* The owner of a function of the extension, who is the extension's; quicker found. */
static Oid
owner_of_function(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid owner = HeapTupleIsValid(tuple) ? ((Form_pg_proc) GETSTRUCT(tuple))->proowner : InvalidOid;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return owner;
}

/* Whether the caller has a right in a tenant. The function that asks, if it is given, tells the
 * owner quicker. */
static bool
has_right(int32 tenant, Oid required, Oid function)
{
	refuse_worker();
	if (recall_has_entered())
		return recall_entry_gives(tenant, required);
	if (may_act_as(OidIsValid(function) ? owner_of_function(function) : recall_extension_owner()))
		return recall_tenant_exists(tenant);
	return is_member_with(tenant, required);
}

/* Within a bulk source nobody uses a right but that to read. */
static void
require_usable(Oid required)
{
	if (required != recall_enum_value("privilege", "read"))
		recall_require_no_source();
}

/* Whether the caller sees numbers whole: those who dial or manage do. */
bool
recall_may_see_numbers(int32 tenant)
{
	if (tenant == NO_TENANT)
		return is_owner();
	return has_right(tenant, recall_enum_value("privilege", "dial"), InvalidOid) ||
		   has_right(tenant, recall_enum_value("privilege", "manage"), InvalidOid);
}

/* _is_owner() returns boolean */
Datum
recall_is_owner(PG_FUNCTION_ARGS)
{
	refuse_worker();
	PG_RETURN_BOOL(is_owner());
}

/* _require_owner(): 42501 unless the caller has the rights of the extension's owner, 55000 within a
 * bulk source */
Datum
recall_require_owner(PG_FUNCTION_ARGS)
{
	recall_require_no_source();
	refuse_worker();
	if (!is_owner())
		recall_deny_with_hint("what only the owner of the extension may do",
							  "Call it as the owner of the extension, or as a role that inherits "
							  "its rights.");
	PG_RETURN_VOID();
}

/* _has_right(tenant_id int, required privilege) returns boolean: false for nulls, 55000 within a
 * bulk source */
Datum
recall_has_right(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	require_usable(PG_GETARG_OID(1));
	PG_RETURN_BOOL(has_right(PG_GETARG_INT32(0), PG_GETARG_OID(1), InvalidOid));
}

static List *
all_tenants(void)
{
	List *tenants = NIL;
	Search search;

	recall_open_search(&search, &recall_tenant_pkey, 0, AccessShareLock, GetActiveSnapshot());
	recall_restart(&search, 0);
	while (recall_next(&search))
		tenants = lappend_int(tenants, DatumGetInt32(recall_known(&search, TENANT_tenant_id)));
	recall_close_search(&search);
	return tenants;
}

static List *
each_once(List *tenants)
{
	List *once = NIL;
	ListCell *cell;

	list_sort(tenants, list_int_cmp);
	foreach (cell, tenants)
		if (once == NIL || llast_int(once) != lfirst_int(cell))
			once = lappend_int(once, lfirst_int(cell));
	return once;
}

/* The tenants of which a role, or one that it inherits, is a member with a right. */
static List *
tenants_of(Oid role, Oid required)
{
	List *tenants = NIL;
	Search members;
	ListCell *cell;
	bool found;

	recall_open_search(&members, &recall_member_by_role, 1, AccessShareLock, GetActiveSnapshot());
	foreach (cell, roles_of(role))
		for (found = recall_find1(&members, ObjectIdGetDatum(lfirst_oid(cell))); found;
			 found = recall_next(&members))
			if (contains(recall_known(&members, MEMBER_rights), required))
				tenants =
					lappend_int(tenants, DatumGetInt32(recall_known(&members, MEMBER_tenant_id)));
	recall_close_search(&members);
	return each_once(tenants);
}

/* The tenants in which the caller has a right, as has_right() has it; of the owner also none. */
static List *
tenants_with(Oid required)
{
	refuse_worker();
	if (recall_has_entered())
		return recall_entry_gives(recall_entered_tenant(), required)
				   ? list_make1_int(recall_entered_tenant())
				   : NIL;
	if (is_owner())
		return lappend_int(all_tenants(), NO_TENANT);
	return tenants_of(recall_caller_role(), required);
}

/* _readable_tenants() returns setof int: with 0 for the owner, whose is what the audit has of none
 */
Datum
recall_readable_tenants(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell *cell;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	foreach (cell, tenants_with(recall_enum_value("privilege", "read")))
	{
		Datum tenant = Int32GetDatum(lfirst_int(cell));
		bool is_null = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &tenant, &is_null);
	}
	return (Datum) 0;
}

static void
deny(NullableDatum tenant, Oid required)
{
	const char *what =
		psprintf("tenant %s, right \"%s\"",
				 tenant.isnull ? "null" : psprintf("%d", DatumGetInt32(tenant.value)),
				 recall_enum_label(required));

	if (recall_has_entered() && recall_entry_has_expired())
		recall_deny_with_hint(what, "The token with which this transaction has entered is over; "
									"enter with a new one.");
	recall_deny_plainly(what);
}

void
recall_require_dial(FunctionCallInfo fcinfo)
{
	NullableDatum tenant = fcinfo->args[0];
	Oid dial = recall_enum_value("privilege", "dial");

	recall_require_no_source();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (tenant.isnull || !has_right(DatumGetInt32(tenant.value), dial, fcinfo->flinfo->fn_oid))
		deny(tenant, dial);
	PopActiveSnapshot();
}

/* _require(tenant_id int, required privilege): 42501 unless the caller has it, 55000 within a bulk
 * source */
Datum
recall_require(PG_FUNCTION_ARGS)
{
	NullableDatum tenant = fcinfo->args[0];

	if (PG_ARGISNULL(1))
		recall_deny_plainly("no right");
	require_usable(PG_GETARG_OID(1));
	if (tenant.isnull || !has_right(DatumGetInt32(tenant.value), PG_GETARG_OID(1), InvalidOid))
		deny(tenant, PG_GETARG_OID(1));
	PG_RETURN_BOOL(true);
}
