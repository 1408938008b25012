/*
 * lock.c
 *		Locks of what recall has no row for, or none that it wants to write: a batch, a press, the
 * grants.
 *
 * They are advisory locks of the transaction, but not those of pg_advisory_xact_lock(), which
 * anybody can take: a stranger who knew the key would stop another tenant's batch for as long as he
 * likes. These differ from them in the last part of the tag, which no function of SQL sets to this
 * value. Nor does pg_locks, which anybody can read, tell what is locked: the key is a hash with a
 * secret of the cluster in it, which is not to be had through SQL.
 */
#include "recall.h"

#include "access/xlog.h"
#include "catalog/pg_control.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(recall_lock);

#define OURS 0x5243 /* pg_advisory_xact_lock() and its kin have 1 and 2 */

/* What is hashed; without padding. */
typedef struct Lockable
{
	char secret[MOCK_AUTH_NONCE_LEN];
	char kind[20];
	int32 tenant;
	int64 id;
} Lockable;

StaticAssertDecl(sizeof(Lockable) == MOCK_AUTH_NONCE_LEN + 32, "a Lockable must have no padding");

/* Hash what is locked into the key of the lock. */
static uint64
hash_lockable(const Lockable *lockable)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);
	uint8 hash[PG_SHA256_DIGEST_LENGTH];
	uint64 key;

	if (context == NULL || pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (const uint8 *) lockable, sizeof(Lockable)) < 0 ||
		pg_cryptohash_final(context, hash, sizeof(hash)) < 0)
		elog(ERROR, "could not hash the key of a lock");
	pg_cryptohash_free(context);
	memcpy(&key, hash, sizeof(key));
	return key;
}

/* _lock(kind text, tenant_id int, id bigint, alone boolean, waits boolean) returns boolean */
Datum
recall_lock(PG_FUNCTION_ARGS)
{
	Lockable lockable = { .tenant = PG_GETARG_INT32(1), .id = PG_GETARG_INT64(2) };
	bool alone = PG_GETARG_BOOL(3);
	bool waits = PG_GETARG_BOOL(4);
	LOCKTAG tag;
	uint64 key;

	memcpy(lockable.secret, GetMockAuthenticationNonce(), sizeof(lockable.secret));
	text_to_cstring_buffer(PG_GETARG_TEXT_PP(0), lockable.kind, sizeof(lockable.kind));
	key = hash_lockable(&lockable);
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (key >> 32), (uint32) key, OURS);
	PG_RETURN_BOOL(LockAcquire(&tag, alone ? ExclusiveLock : ShareLock, false, !waits) !=
				   LOCKACQUIRE_NOT_AVAIL);
}
