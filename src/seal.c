/*
 * seal.c
 *		Tenant tokens as text, and the proof that one is unchanged.
 *
 * A token is "recall1." and hexadecimal digits in lower case: the number of a key, what the token
 * says, each in a fixed order of bytes, and the HMAC-SHA-256 of all that with the key. So one token
 * has one spelling, and every character of it is under the signature. The version and the database
 * are signed too, so that a copy of the database, which has the same keys, takes no token of this
 * one.
 *
 * The keys are rows of a table that nobody is granted. They are read here, below the checks of
 * privileges, and as they are committed now, however old the transaction's snapshot is.
 */
#include "entry.h"

#include "common/hmac.h"
#include "common/sha2.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "table.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(recall_sign_token);

#define VERSION "recall1."
#define VERSION_LENGTH (sizeof(VERSION) - 1)
#define KEY_SIZE 32
#define MAC_SIZE PG_SHA256_DIGEST_LENGTH
/* key, tenant, role, until, number of rights */
#define FIXED_SIZE (8 + 4 + 4 + 8 + 1)
#define MAX_BYTES (FIXED_SIZE + RECALL_TOKEN_RIGHTS * 4 + RECALL_SUBJECT_SIZE + MAC_SIZE)
#define MAX_LENGTH (VERSION_LENGTH + 2 * MAX_BYTES)

#define CURRENT_KEY 0 /* no key has this number */

typedef struct Key
{
	int64 number;
	uint8 secret[KEY_SIZE];
} Key;

/* Take the row that was found as the key, if it is the one that is wanted and still good. */
static bool
read_key(const Search *keys, int64 wanted, Key *key)
{
	bool is_current;
	Datum until = recall_value(keys, TOKEN_KEY_valid_until, &is_current);
	bytea *secret;

	key->number = DatumGetInt64(recall_known(keys, TOKEN_KEY_key_id));
	if (wanted == CURRENT_KEY ? !is_current : key->number != wanted)
		return false;
	if (!is_current && DatumGetTimestampTz(until) <= GetCurrentTimestamp())
		return false;

	secret = DatumGetByteaPP(recall_known(keys, TOKEN_KEY_secret));
	if (VARSIZE_ANY_EXHDR(secret) != KEY_SIZE)
		return false;
	memcpy(key->secret, VARDATA_ANY(secret), KEY_SIZE);
	return true;
}

/* Find the key with a number, or the one that signs now. There are few, so all are looked at. */
static bool
find_key(int64 wanted, Key *key)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	Search keys;
	bool found = false;

	recall_open_search(&keys, &recall_token_key_pkey, 0, AccessShareLock, snapshot);
	recall_restart(&keys, 0);
	while (!found && recall_next(&keys))
		found = read_key(&keys, wanted, key);
	recall_close_search(&keys);
	UnregisterSnapshot(snapshot);
	return found;
}

/* Compute the signature of what a token says, and forget the key. */
static void
sign(Key *key, const void *said, size_t size, uint8 *mac)
{
	uint32 database = pg_hton32(MyDatabaseId);
	pg_hmac_ctx *context = pg_hmac_create(PG_SHA256);

	if (context == NULL || pg_hmac_init(context, key->secret, KEY_SIZE) < 0 ||
		pg_hmac_update(context, (const uint8 *) VERSION, VERSION_LENGTH) < 0 ||
		pg_hmac_update(context, (const uint8 *) &database, sizeof(database)) < 0 ||
		pg_hmac_update(context, said, size) < 0 || pg_hmac_final(context, mac, MAC_SIZE) < 0)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not compute an HMAC: %s", pg_hmac_error(context))));
	pg_hmac_free(context);
	explicit_bzero(key, sizeof(*key));
}

/* Compare in a time that does not tell how much is alike. */
static bool
is_same_mac(const uint8 *a, const uint8 *b)
{
	volatile uint8 difference = 0;

	for (int i = 0; i < MAC_SIZE; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

static void
append_rights(StringInfo said, ArrayType *rights)
{
	const Oid *members = (Oid *) ARR_DATA_PTR(rights);
	int count = ArrayGetNItems(ARR_NDIM(rights), ARR_DIMS(rights));

	if (count > RECALL_TOKEN_RIGHTS || ARR_HASNULL(rights))
		recall_reject_plainly("a token cannot name these rights",
							  "It names up to 16, none of them null.");
	pq_sendbyte(said, count);
	for (int i = 0; i < count; i++)
		pq_sendint32(said, members[i]);
}

/*
 * _sign_token(tenant_id int, role regrole, rights privilege[], until timestamptz, subject text)
 * returns text
 *
 * Whoever may call this makes any token; recall.issue_token() checks, and calls it as the owner.
 * The right to execute everything in the schema, which some administrator may have granted, does
 * not do.
 */
Datum
recall_sign_token(PG_FUNCTION_ARGS)
{
	text *subject = PG_GETARG_TEXT_PP(4);
	StringInfoData said;
	StringInfoData token;
	uint8 mac[MAC_SIZE];
	Key key;

	if (!has_privs_of_role(GetUserId(), recall_extension_owner()))
		recall_deny_plainly("signing a token");
	if (VARSIZE_ANY_EXHDR(subject) >= RECALL_SUBJECT_SIZE)
		recall_reject_plainly("the subject of a token is too long", "It has up to 200 characters.");
	if (!find_key(CURRENT_KEY, &key))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("there is no key to sign tokens with"),
						errhint("Make one with recall.rotate_token_key().")));

	initStringInfo(&said);
	pq_sendint64(&said, key.number);
	pq_sendint32(&said, PG_GETARG_INT32(0));
	pq_sendint32(&said, PG_GETARG_OID(1));
	pq_sendint64(&said, PG_GETARG_TIMESTAMPTZ(3));
	append_rights(&said, PG_GETARG_ARRAYTYPE_P(2));
	pq_sendbytes(&said, VARDATA_ANY(subject), VARSIZE_ANY_EXHDR(subject));
	sign(&key, said.data, said.len, mac);
	pq_sendbytes(&said, (const char *) mac, MAC_SIZE);

	initStringInfo(&token);
	appendStringInfoString(&token, VERSION);
	enlargeStringInfo(&token, 2 * said.len);
	token.len += hex_encode(said.data, said.len, token.data + token.len);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(token.data, token.len));
}

static int
digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Read pairs of hexadecimal digits; capitals are none, so that there is one spelling. */
static bool
read_bytes(const char *digits, size_t count, uint8 *bytes)
{
	for (size_t i = 0; i < count; i++)
	{
		int high = digit_value(digits[2 * i]);
		int low = digit_value(digits[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = high << 4 | low;
	}
	return true;
}

/* Read what a token says, once it is known that recall has written it. */
static void
read_token(uint8 *bytes, size_t size, TenantToken *token)
{
	StringInfoData said = { .data = (char *) bytes, .len = size };
	int subject_size;

	(void) pq_getmsgint64(&said); /* the key's number */
	token->tenant = pq_getmsgint(&said, 4);
	token->role = pq_getmsgint(&said, 4);
	token->until = pq_getmsgint64(&said);
	token->right_count = pq_getmsgbyte(&said);
	if (token->right_count > RECALL_TOKEN_RIGHTS)
		elog(ERROR, "a token names %d rights", token->right_count);
	for (int i = 0; i < token->right_count; i++)
		token->rights[i] = pq_getmsgint(&said, 4);
	subject_size = said.len - said.cursor;
	if (subject_size >= RECALL_SUBJECT_SIZE)
		elog(ERROR, "a token has a subject of %d bytes", subject_size);
	memcpy(token->subject, pq_getmsgbytes(&said, subject_size), subject_size);
	token->subject[subject_size] = '\0';
}

/* Read a token; false unless it was signed, as it stands, with a key of this database that is good.
 */
bool
recall_unseal(const char *text, size_t length, TenantToken *token)
{
	uint8 bytes[MAX_BYTES];
	uint8 mac[MAC_SIZE];
	size_t size;
	int64 number;
	Key key;

	if (length > MAX_LENGTH || length < VERSION_LENGTH + 2 * (FIXED_SIZE + MAC_SIZE) ||
		(length - VERSION_LENGTH) % 2 != 0 || memcmp(text, VERSION, VERSION_LENGTH) != 0)
		return false;
	size = (length - VERSION_LENGTH) / 2;
	if (!read_bytes(text + VERSION_LENGTH, size, bytes))
		return false;
	size -= MAC_SIZE;

	memcpy(&number, bytes, sizeof(number));
	number = pg_ntoh64(number);
	if (number == CURRENT_KEY || !find_key(number, &key))
		return false;
	sign(&key, bytes, size, mac);
	if (!is_same_mac(mac, bytes + size))
		return false;
	read_token(bytes, size, token);
	return true;
}
