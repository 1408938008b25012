#!/bin/bash
#
# story.sh
#		Tells the story of recall on a server: from a tenant to the re-dial rows that pg_cron's run made.
#
# Connects as psql does (PGHOST, PGPORT, PGUSER, PGDATABASE), as a superuser, to the database that pg_cron
# works in, with pg_cron and recall created there. DATA is a csv file with calls, recognised by its
# header, or empty: then a sample is made up. What is typed is shown before what it gives. Every run makes a tenant of
# its own; the three roles are made once. Ends with a status other than 0 as soon as something is not as it should be.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PGTZ=UTC PGDATESTYLE=ISO PGOPTIONS='--client-min-messages=warning'
PATIENCE=150		# seconds that pg_cron is given for a run that is due every minute
STEPS=8
step=0

die()
{
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# Begin the next step of the story.
chapter()
{
	step=$((step + 1))
	printf '\n%s/%s  %s\n\n' "$step" "$STEPS" "$*"
}

tell()
{
	printf '%s\n' "$@"
}

run_psql()
{
	psql -Xq -v ON_ERROR_STOP=1 -v tenant="${tenant:-}" -P pager=off -P footer=off "$@"
}

# Print what a query gives, bare.
value()
{
	run_psql -At <<<"$1"
}

# Show the statements on the input, each with what it gives.
show()
{
	run_psql --echo-queries
}

# Show the statements on the input, and leave out what they give.
show_only()
{
	run_psql --echo-queries -o /dev/null
	tell ''
}

# Show the statements on the input, the last of which has to be refused with a SQLSTATE.
show_refusal()
{
	local expected=$1 output

	output=$({
		cat
		printf '\\echo SQLSTATE :SQLSTATE\n'
	} | run_psql --echo-queries -v ON_ERROR_STOP=0 2>&1)
	tell "$output" ''
	[ "${output##*SQLSTATE }" = "$expected" ] || die "this should have been refused with SQLSTATE $expected"
}

# Make sure that a query gives true, and say so.
check()
{
	[ "$(value "$2")" = t ] || die "it should be so, but is not: $1"
	tell "  ok: $1"
}

# Tell whether the first line of DATA names columns, separated by the given character.
has_columns()
{
	local separator=$1 header name

	header=$separator$(head -n 1 "$DATA" | tr -d '"\r')$separator
	shift
	for name; do
		[[ $header == *"$separator$name$separator"* ]] || return 1
	done
}

# Set what differs from one source of calls to another.
choose_source()
{
	if [ -z "${DATA:-}" ]; then
		source=sample
		results="SELECT recall.create_business_result(:tenant, 'sold', 'Bought');
SELECT recall.create_business_result(:tenant, 'callback', 'Asked to be called back');
SELECT recall.create_business_result(:tenant, 'not_interested', 'Does not want it');"
		policy='busy, no_answer; result callback; result not_interested never'
		other_policy=failed
		return
	fi
	[ -r "$DATA" ] || die "DATA: cannot read file \"$DATA\""
	if has_columns , dst calldate duration disposition sequence; then
		source=asterisk
		results="SELECT recall.create_business_result(:tenant, 'callback', 'Asked to be called back');"
		policy=failed
		other_policy='busy, no_answer'
	elif has_columns ';' campaign duration y; then
		source=uci
		results="SELECT recall.create_business_result(:tenant, 'sold', 'Bought');
SELECT recall.create_business_result(:tenant, 'not_sold', 'Did not buy');"
		policy='result not_sold'
		other_policy=failed
	else
		die "DATA: the header of \"$DATA\" is not known; it must be that of
  an Asterisk cdr file: src,dst,calldate,duration,billsec,disposition,uniqueid,sequence in any order, maybe with others
  or the UCI file bank-additional-full.csv: age;job;…;duration;campaign;…;y"
	fi
}

# Fail early, and say what is missing.
check_server()
{
	[ "$(value "SELECT count(*) FROM pg_extension WHERE extname IN ('pg_cron', 'recall')")" = 2 ] ||
		die "database \"${PGDATABASE:-}\" needs the extensions pg_cron and recall"
	[ "$(value "SELECT current_setting('cron.database_name') = current_database()")" = t ] ||
		die "cron.database_name is not \"${PGDATABASE:-}\""
}

set_up_people()
{
	chapter "A tenant, and what its people may do"
	value "SELECT format('CREATE ROLE %I', name)
		FROM unnest('{demo_manager,demo_supervisor,demo_dialer}'::text[]) AS name
		WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \\gexec"
	tell "SELECT recall.create_tenant('Hearth and Home', 'Europe/Berlin');"
	tenant=$(value "SELECT recall.create_tenant('Hearth and Home', 'Europe/Berlin')")
	tell '' "It is tenant $tenant. Its people are three roles of the database:" ''
	show_only <<-'END'
		SELECT recall.grant_privilege(:tenant, 'demo_manager', '{read,manage}');
		SELECT recall.grant_privilege(:tenant, 'demo_supervisor', '{read,recycle}');
		SELECT recall.grant_privilege(:tenant, 'demo_dialer', '{dial}');
	END
}

set_up_task()
{
	chapter "The manager sets up a task with a recall policy, and a batch"
	show_only <<-END
		SET ROLE demo_manager;
		$results
		SELECT recall.create_task(:tenant, 'Spring', 'predicted',
		    policy => '$policy',
		    calling_hours => 'Mo-Fr 09:00-20:00; Sa 10:00-16:00');
		SELECT recall.create_batch(:tenant, 1, 'First batch');
		SELECT recall.start_task(:tenant, 1);
		SELECT recall.start_batch(:tenant, 1);
	END
	show <<-'END'
		SELECT task_id, task, task_type, state, policy, calling_hours FROM recall.task_overview WHERE tenant_id = :tenant;
	END
}

load_calls()
{
	local usage="psql -v tenant=$tenant -v batch=1"

	chapter "Contacts are added, and completed calls come in"
	[ "$source" = sample ] || usage="$usage -v file=$(basename "$DATA")"
	tell "$usage -f doc/demo/$source.sql"
	run_psql -v batch=1 -v file="${DATA:-}" -f "$here/$source.sql"
	tell ''
	show <<-'END'
		SELECT batch, state, contacts, called, calls, queued FROM recall.batch_overview WHERE tenant_id = :tenant;
		SELECT outcome, count(*) AS calls, count(*) FILTER (WHERE is_latest) AS latest_of_contact
		FROM (SELECT outcome, attempt = max(attempt) OVER (PARTITION BY contact_id) AS is_latest
		    FROM recall.completed_call WHERE tenant_id = :tenant AND batch_id = 1) AS completed
		GROUP BY outcome ORDER BY calls DESC, outcome;
	END
	check "each contact's attempts are numbered from 1, in the order of their start" "SELECT bool_and(attempt = place AND in_order)
		FROM (SELECT attempt, row_number() OVER history AS place,
				coalesce(started_at >= lag(started_at) OVER history, true) AS in_order
			FROM recall.completed_call WHERE tenant_id = :tenant
			WINDOW history AS (PARTITION BY contact_id ORDER BY attempt)) AS completed"
}

confirm()
{
	chapter "The supervisor asks what a recycle would recall: the confirmation"
	show <<-END
		SET ROLE demo_supervisor;
		SELECT * FROM recall.preview(:tenant, 1);
	END
	tell "And what another policy would recall, \"$other_policy\":"
	show <<-END
		SELECT verdict, sum(contacts) AS contacts FROM recall.preview(:tenant, 1, '$other_policy') GROUP BY verdict ORDER BY verdict;
	END
	check "the counts sum to the batch" "SELECT (SELECT sum(contacts) FROM recall.preview(:tenant, 1))
		= (SELECT contacts FROM recall.batch_overview WHERE tenant_id = :tenant AND batch_id = 1)"
	promised=$(value "SELECT coalesce(sum(contacts), 0) FROM recall.preview(:tenant, 1) WHERE verdict = 'recall'")
	[ "$promised" -gt 0 ] || die "there is nobody to recall, so the story ends here"
}

recycle()
{
	chapter "Recycle: the dialer may not, the supervisor may"
	show_refusal 42501 <<-'END'
		SET ROLE demo_dialer;
		SELECT recall.recycle(:tenant, 1);
	END
	show <<-'END'
		SET ROLE demo_supervisor;
		SELECT recall.recycle(:tenant, 1);
		SELECT recycle_id, batch, state, policy, requested_by, matched, emitted FROM recall.recycle_record WHERE tenant_id = :tenant;
	END
	check "the record waits" "SELECT state = 'waiting' FROM recall.recycle_record WHERE tenant_id = :tenant"
	check "nobody has been queued for it" "SELECT count(*) = 0 FROM recall.redial WHERE tenant_id = :tenant"
}

# Wait until the record is completed and the job's run is over, telling how it goes.
wait_for_cron()
{
	local started=$SECONDS waited state=waiting next_word=0

	while [ "$(value "SELECT r.state = 'completed' AND EXISTS (SELECT FROM cron.job_run_details d
			WHERE d.status = 'succeeded' AND d.end_time >= r.finished_at)
		FROM recall.recycle_record r WHERE r.tenant_id = :tenant")" != t ]; do
		waited=$((SECONDS - started))
		state=$(value "SELECT state FROM recall.recycle_record WHERE tenant_id = :tenant")
		[ "$state" != failed ] ||
			die "the record failed: $(value "SELECT error FROM recall.recycle_record WHERE tenant_id = :tenant")"
		[ "$waited" -lt "$PATIENCE" ] || die "after $waited s the record is still $state; pg_cron says:
$(value "SELECT status, return_message, start_time FROM cron.job_run_details ORDER BY runid DESC LIMIT 3")"
		if [ "$waited" -ge "$next_word" ]; then
			tell "  after $waited s: the record is $state"
			next_word=$((waited + 10))
		fi
		sleep 1
	done
	tell "  after $((SECONDS - started)) s: the record is completed" ''
}

# Schedule the processor, and see that it is pg_cron's run that moves the record. pg_cron notes the start of a run just
# after it has sent the command: hence the second.
let_cron_work()
{
	chapter "pg_cron calls the processor"
	tell "By default it does so every 5 minutes. Here it does every minute, so that nobody waits for long." ''
	show <<-'END'
		SELECT recall.schedule('* * * * *');
	END
	tell "The record is waiting; the next full minute is $((60 - $(date +%-S))) s away."
	wait_for_cron
	show <<-'END'
		SELECT recycle_id, state, matched, emitted, excluded, over_cap, pending, started_at, finished_at
		FROM recall.recycle_record WHERE tenant_id = :tenant;
		SELECT at, role, action, from_state, to_state FROM recall.audit WHERE tenant_id = :tenant AND kind = 'recycle' ORDER BY at;
		SELECT runid, command, status, start_time, end_time FROM cron.job_run_details ORDER BY runid DESC LIMIT 3;
	END
	check "the record went from waiting to running to completed" "SELECT
		array_agg(to_state ORDER BY at) = '{waiting,running,completed}'
		FROM recall.audit WHERE tenant_id = :tenant AND kind = 'recycle'"
	check "both moves were made in a run that pg_cron started" "SELECT count(DISTINCT a.action) = 2
		FROM recall.audit a
		JOIN cron.job_run_details d ON a.at BETWEEN d.start_time - interval '1 s' AND d.end_time
		WHERE a.tenant_id = :tenant AND a.kind = 'recycle' AND a.action IN ('run', 'complete')
		AND d.command = 'CALL recall.process()' AND d.status = 'succeeded'"
}

show_redial()
{
	chapter "The contacts that will be called again"
	show <<-'END'
		SELECT contact_id, number, attempt, due_at, state, recycle_id
		FROM recall.redial WHERE tenant_id = :tenant ORDER BY due_at, contact_id LIMIT 5;
		SELECT state, count(*) AS redial_rows, count(DISTINCT contact_id) AS contacts, min(due_at) AS earliest
		FROM recall.redial WHERE tenant_id = :tenant GROUP BY state;
	END
	check "the $promised contacts of the confirmation are there, each once" "SELECT
		count(*) = $promised AND count(DISTINCT contact_id) = $promised FROM recall.redial WHERE tenant_id = :tenant"
	check "the record counted as many" "SELECT emitted = $promised FROM recall.recycle_record WHERE tenant_id = :tenant"
	check "the confirmation would now recall nobody" "SELECT
		count(*) = 0 FROM recall.preview(:tenant, 1) WHERE verdict = 'recall'"
}

look_after_it()
{
	chapter "The default schedule again, and a look at the health of it all"
	show <<-'END'
		SELECT recall.schedule();
		SET ROLE demo_manager;
		SELECT * FROM recall.health();
	END
	check "all is well" "SET ROLE demo_manager; SELECT bool_and(status = 'ok') FROM recall.health()"
	check "there is one job, every 5 minutes" "SELECT count(*) = 1 AND bool_and(active AND schedule = '*/5 * * * *')
		FROM cron.job WHERE command = 'CALL recall.process()'"
}

choose_source
check_server
set_up_people
set_up_task
load_calls
confirm
recycle
let_cron_work
show_redial
look_after_it
tell '' "That was the story: pg_cron's run of recall.process() made $promised re-dial rows, ready for the dialer."
