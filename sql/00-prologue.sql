/*
 * recall: who is called again, when, on which number, and who never again.
 *
 * The numbered parts of this folder are joined, in order, into the script that CREATE EXTENSION runs:
 *
 *   00-19  the schema and the value types: causes, policies, calling hours, state machines; the judgement of a contact
 *   20-29  the tables, who may do what, and whether this is a copy
 *   30-39  setting up: tenants, tasks, batches, contacts; the calls that were made; who is not to be called
 *   40-59  recalling: the judgement of a batch, recycle records, preview, explain, simulate, the processor
 *   60-89  the schedule; tokens for pooled applications; looking: health, verification, copies, views
 *   90     every REVOKE and GRANT
 *
 * A name that starts with an underscore is internal. Objects are created plainly, never "OR REPLACE" or
 * "IF NOT EXISTS", so that nothing that somebody put there before can become part of the extension.
 */
\echo Use "CREATE EXTENSION recall" to load this file. \quit

CREATE SCHEMA recall;

COMMENT ON SCHEMA recall IS
'Recall of outbound calls: policies, recycling, re-dial rows. Start with \df recall.* and recall.task_overview.';

