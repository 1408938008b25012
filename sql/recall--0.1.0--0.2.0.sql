/* From 0.1.0 to 0.2.0. Objects are made plainly; only members of the extension are replaced. */
\echo Use "ALTER EXTENSION recall UPDATE" to load this file. \quit
