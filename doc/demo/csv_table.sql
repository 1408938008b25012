-- csv_table.sql
--		Creates the temporary table csv_row for the csv file :file: a text column for each name in its first line.
--
-- The order of the columns, and columns that nobody asks for, do not matter then. :delimiter separates them.
-- The loaders include this; they fill the table with \copy, which reads the file where psql runs.

\set stop_before :ON_ERROR_STOP
\set quiet_before :QUIET
\set ON_ERROR_STOP on
\set QUIET on
\setenv CSV_FILE :file
\set header `head -n 1 "$CSV_FILE"`

SELECT pg_catalog.format('CREATE TEMPORARY TABLE csv_row (%s)', string_agg(format('%I text', btrim(name, '"')), ', '))
FROM string_to_table(rtrim(:'header', E'\r'), :'delimiter') AS name
\gexec
