-- What somebody sees who explores recall in psql: names of arguments, of columns, and what the types are.
\df recall.recycle
\d recall.recycle_record
\d recall.redial
\dT recall.recycle_state
