/*
 * number_hash.c
 *		What is left of a number that was erased: HMAC-SHA-256 (RFC 2104) under its tenant's key.
 *
 * There are so few numbers that a plain hash of each could be tried. With the key it can be, too,
 * so the key is as secret as the numbers were; it is a tenant's own, so that two tenants' hashes of
 * one number have nothing in common.
 */
#include "recall.h"

#include "common/hmac.h"
#include "common/sha2.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(recall_new_key);
PG_FUNCTION_INFO_V1(recall_number_hash);

/* _new_key() returns bytea: as many random bytes as a hash has */
Datum
recall_new_key(PG_FUNCTION_ARGS)
{
	bytea *key = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);

	SET_VARSIZE(key, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	if (!pg_strong_random(VARDATA(key), PG_SHA256_DIGEST_LENGTH))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate a random key")));
	PG_RETURN_BYTEA_P(key);
}

static bool
compute_hmac(pg_hmac_ctx *hmac, bytea *key, text *number, uint8 *digest)
{
	return pg_hmac_init(hmac, (uint8 *) VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key)) >= 0 &&
		   pg_hmac_update(hmac, (uint8 *) VARDATA_ANY(number), VARSIZE_ANY_EXHDR(number)) >= 0 &&
		   pg_hmac_final(hmac, digest, PG_SHA256_DIGEST_LENGTH) >= 0;
}

/* _number_hash(key bytea, number text) returns bytea */
Datum
recall_number_hash(PG_FUNCTION_ARGS)
{
	bytea *hash = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	pg_hmac_ctx *hmac = pg_hmac_create(PG_SHA256);

	SET_VARSIZE(hash, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	if (hmac == NULL ||
		!compute_hmac(hmac, PG_GETARG_BYTEA_PP(0), PG_GETARG_TEXT_PP(1), (uint8 *) VARDATA(hash)))
	{
		pg_hmac_free(hmac);
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not hash a number")));
	}
	pg_hmac_free(hmac);
	PG_RETURN_BYTEA_P(hash);
}
