/*
 * rights.c
 *		Whether the caller has a right in a tenant. Every function asks, so it is asked in C.
 *
 * The caller is the role that it is now, whatever definer functions lie between. What does not
 * exist and what is another tenant's are refused in the same words. Who has entered a tenant with a
 * token has what the token says, and nothing else.
 */
#include "entry.h"

#include "failure_cause_map.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(recall_is_owner);
PG_FUNCTION_INFO_V1(recall_has_right);
PG_FUNCTION_INFO_V1(recall_require);

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

/* Open one of the extension's tables and scan what it has of a tenant, by an index that begins so.
 */
static SysScanDesc
scan_tenant(Relation table, const char *index, int32 tenant, ScanKeyData *key)
{
	Oid schema = RelationGetNamespace(table);

	ScanKeyInit(key, get_attnum(RelationGetRelid(table), "tenant_id"), BTEqualStrategyNumber,
				F_INT4EQ, Int32GetDatum(tenant));
	return systable_beginscan(table, get_relname_relid(index, schema), true, GetActiveSnapshot(), 1,
							  key);
}

Relation
recall_open_relation(const char *name)
{
	return table_open(get_relname_relid(name, get_namespace_oid("recall", false)), AccessShareLock);
}

bool
recall_tenant_exists(int32 tenant)
{
	Relation table = recall_open_relation("tenant");
	ScanKeyData key;
	SysScanDesc scan = scan_tenant(table, "tenant_pkey", tenant, &key);
	bool exists = HeapTupleIsValid(systable_getnext(scan));

	systable_endscan(scan);
	table_close(table, AccessShareLock);
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

/* Whether a role that the caller is, or inherits, is a member of the tenant with the right. */
static bool
is_member_with(int32 tenant, Oid required)
{
	Relation table = recall_open_relation("member");
	AttrNumber role = get_attnum(RelationGetRelid(table), "role");
	AttrNumber rights = get_attnum(RelationGetRelid(table), "rights");
	ScanKeyData key;
	SysScanDesc scan = scan_tenant(table, "member_pkey", tenant, &key);
	HeapTuple tuple;
	bool found = false;

	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool is_null; /* neither column is */
		Oid member = DatumGetObjectId(heap_getattr(tuple, role, RelationGetDescr(table), &is_null));
		Datum has = heap_getattr(tuple, rights, RelationGetDescr(table), &is_null);

		found = contains(has, required) && has_privs_of_role(recall_caller_role(), member);
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
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
	return is_member_with(tenant, required) ||
		   (may_act_as(OidIsValid(function) ? owner_of_function(function)
											: recall_extension_owner()) &&
			recall_tenant_exists(tenant));
}

/* Whether the caller sees numbers whole: those who dial or manage do. */
bool
recall_may_see_numbers(int32 tenant)
{
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

/* _has_right(tenant_id int, required privilege) returns boolean: false for nulls */
Datum
recall_has_right(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(has_right(PG_GETARG_INT32(0), PG_GETARG_OID(1), InvalidOid));
}

static char *
right_name(Oid right)
{
	HeapTuple tuple = SearchSysCache1(ENUMOID, ObjectIdGetDatum(right));
	char *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "right %u does not exist", right);
	name = pstrdup(NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel));
	ReleaseSysCache(tuple);
	return name;
}

static void
deny(NullableDatum tenant, Oid required)
{
	const char *what = psprintf("tenant %s, right \"%s\"",
								tenant.isnull ? "" : psprintf("%d", DatumGetInt32(tenant.value)),
								right_name(required));

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

	PushActiveSnapshot(GetTransactionSnapshot());
	if (tenant.isnull || !has_right(DatumGetInt32(tenant.value), dial, fcinfo->flinfo->fn_oid))
		deny(tenant, dial);
	PopActiveSnapshot();
}

/* _require(tenant_id int, required privilege): 42501 unless the caller has it */
Datum
recall_require(PG_FUNCTION_ARGS)
{
	NullableDatum tenant = fcinfo->args[0];

	if (tenant.isnull || !has_right(DatumGetInt32(tenant.value), PG_GETARG_OID(1), InvalidOid))
		deny(tenant, PG_GETARG_OID(1));
	PG_RETURN_BOOL(true);
}
