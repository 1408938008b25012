/*
 * contact.c
 *		A contact by its key.
 *
 * In SQL the planner has two unique indexes for that. Of a tenant whose contacts it does not know
 * of yet it takes either, and by the one that has the batch between tenant and contact each look-up
 * reads all contacts of the tenant. Bulk loads look up one for each row, so they do it here.
 */
#include "table.h"

#include "executor/tuptable.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(recall_contact_by_key);

/* _contact(tenant_id int, contact_id bigint) returns contact: null when there is none */
Datum
recall_contact_by_key(PG_FUNCTION_ARGS)
{
	Search contacts;
	bool found;
	Datum contact = (Datum) 0;

	recall_open_search(&contacts, &recall_contact_pkey, 2, AccessShareLock, GetActiveSnapshot());
	found = recall_find2(&contacts, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
	if (found)
		contact = ExecFetchSlotHeapTupleDatum(contacts.slot);
	recall_close_search(&contacts);
	if (!found)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(contact);
}
