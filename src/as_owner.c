/*
 * as_owner.c
 *		Running a part of a function with the rights of the extension's owner.
 *
 * A function that is nearly always done without a query needs nobody's rights on the tables, and
 * being SECURITY DEFINER with settings of its own would cost it a tenth of its time. So it is not,
 * and what it does in SQL now and then it does in here.
 */
#include "as_owner.h"

#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/guc.h"

static void
set_here(const char *name, const char *value)
{
	(void) set_config_option(name, value, superuser() ? PGC_SUSET : PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

void
recall_begin_as_owner(AsOwner *before, int lock_timeout)
{
	GetUserIdAndSecContext(&before->user, &before->security);
	SetUserIdAndSecContext(recall_extension_owner(),
						   before->security | SECURITY_LOCAL_USERID_CHANGE);
	before->settings = NewGUCNestLevel();
	set_here("search_path", "pg_catalog, pg_temp");
	if (lock_timeout != 0 && (LockTimeout == 0 || LockTimeout > lock_timeout))
		set_here("lock_timeout", psprintf("%d", lock_timeout));
}

void
recall_end_as_owner(const AsOwner *before)
{
	AtEOXact_GUC(true, before->settings);
	SetUserIdAndSecContext(before->user, before->security);
}
