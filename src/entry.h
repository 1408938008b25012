/*
 * entry.h
 *		Tenant tokens, and the tenant that a transaction has entered with one.
 *
 *	seal.c		a token as text, signed
 *	entry.c		entering with one, and what that gives until the transaction ends
 */
#ifndef RECALL_ENTRY_H
#define RECALL_ENTRY_H

#include "recall.h"

#include "datatype/timestamp.h"

#define RECALL_TOKEN_RIGHTS 16	/* most that a token may name; there are four */
#define RECALL_SUBJECT_SIZE 801 /* bytes, the final zero included: 200 characters */

/* What a token says: which role may have which rights in which tenant, until when, on whose behalf.
 */
typedef struct TenantToken
{
	int32 tenant;
	Oid role;
	TimestampTz until;
	int right_count;
	Oid rights[RECALL_TOKEN_RIGHTS];   /* labels of recall.privilege */
	char subject[RECALL_SUBJECT_SIZE]; /* "" for none */
} TenantToken;

/* seal.c */
extern bool recall_unseal(const char *text, size_t length, TenantToken *token);

/* entry.c */
extern bool recall_has_entered(void);
extern int32 recall_entered_tenant(void);
extern bool recall_entry_has_expired(void);
extern bool recall_entry_gives(int32 tenant, Oid right);

#endif /* RECALL_ENTRY_H */
