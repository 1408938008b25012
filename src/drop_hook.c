/*
 * drop_hook.c
 *		No scheduled job outlives the extension.
 *
 * A row of pg_cron's table depends on nothing, so DROP EXTENSION recall would leave a job behind
 * that fails every five minutes. When the drop is over, the function that could clean up is gone
 * with it; hence an event trigger before the command, which reads in the parse tree what will be
 * dropped. When the command fails after all, the removal of the job is rolled back with it.
 */
#include "recall.h"

#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"

PG_FUNCTION_INFO_V1(recall_unschedule_before_drop);

#define EXTENSION_NAME "recall"

/* Does DROP EXTENSION name this one? */
static bool
drops_this_extension(DropStmt *drop)
{
	ListCell *cell;

	if (drop->removeType != OBJECT_EXTENSION)
		return false;
	foreach (cell, drop->objects)
		if (strcmp(strVal(lfirst(cell)), EXTENSION_NAME) == 0)
			return true;
	return false;
}

/* Does DROP OWNED name the owner of this one? */
static bool
drops_what_owner_has(DropOwnedStmt *drop)
{
	Oid owner = recall_extension_owner();
	ListCell *cell;

	foreach (cell, drop->roles)
		if (get_rolespec_oid(lfirst_node(RoleSpec, cell), true) == owner)
			return true;
	return false;
}

static bool
drops_recall(Node *command)
{
	if (IsA(command, DropStmt))
		return drops_this_extension((DropStmt *) command);
	if (IsA(command, DropOwnedStmt))
		return drops_what_owner_has((DropOwnedStmt *) command);
	return false;
}

/* May the current user drop the extension? If not, the command is about to fail and changes
 * nothing. */
static bool
may_drop(void)
{
	Oid owner = recall_extension_owner();

	return OidIsValid(owner) && has_privs_of_role(GetUserId(), owner);
}

/* _unschedule_before_drop(): event trigger on ddl_command_start */
Datum
recall_unschedule_before_drop(PG_FUNCTION_ARGS)
{
	EventTriggerData *trigger;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("_unschedule_before_drop must be called as an event trigger")));
	trigger = (EventTriggerData *) fcinfo->context;
	if (drops_recall(trigger->parsetree) && may_drop())
	{
		SPI_connect();
		SPI_execute("SELECT recall._unschedule()", false, 1);
		SPI_finish();
	}
	PG_RETURN_NULL();
}
